//! The jobs of the table as criterion groups: `cargo bench -p benches`.

#![forbid(unsafe_code)]

use std::time::Duration;

use benches::cases;
use benches::host::Host;
use benches::libxenstore::LibXenstore;
use criterion::{Criterion, Throughput};

fn main() -> anyhow::Result<()> {
    let host = Host::start()?;
    let lib = LibXenstore::load(host.libraries())?;
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for case in cases::all(host.socket(), &lib) {
        let mut group = criterion.benchmark_group(case.what);
        group.throughput(Throughput::Elements(1));
        for contender in &case.contenders {
            group.bench_function(contender.name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let operations = usize::try_from(iterations).expect("a count of operations");
                    contender.run(operations).expect("a job that worked before")
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
