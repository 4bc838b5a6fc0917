//! Says what a saved image holds, whether xl, libxl, libxc or this library wrote it, and whether it
//! is in order: `cargo run -p examples --example inspect-image -- [--records] FILE`. `-` is
//! standard input. It needs no Xen.
//!
//! Ends with 1 if the image was refused.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

use xg::image::{self, Image};
use xg::stream::{Body, Event, Head, PageCounts, Writer};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (records, file) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [file] => (false, file),
        ["--records", file] => (true, file),
        _ => {
            eprintln!("usage: inspect-image [--records] FILE");
            return ExitCode::from(2);
        }
    };
    match inspected(file, records) {
        Ok(image) => {
            sum_up(&image);
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("refused: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn inspected(file: &str, records: bool) -> Result<Image, Box<dyn Error>> {
    let image: Box<dyn Read> =
        if file == "-" { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let tell = |event: &Event<'_>| {
        if records {
            told(event);
        }
    };
    Ok(image::inspect_each(file, image, tell)?)
}

fn told(event: &Event<'_>) {
    match event {
        Event::Xl(header) => println!("xl: {} bytes of configuration", header.config.len()),
        Event::Libxl(_) => println!("libxl: version 2"),
        Event::Libxc(header) => println!("libxc: version {}", header.version),
        Event::Record(record) => {
            let Head { index, offset, kind, length } = record.head;
            println!("{index:6} {offset:#12x} {kind}, {length} bytes{}", told_of(&record.body));
        }
        _ => {}
    }
}

fn told_of(body: &Body) -> String {
    match body {
        Body::Pages(counts) => format!(": {}", pages(counts)),
        Body::PvInfo { width, levels } => format!(": {} bits, {levels} levels", 8 * width),
        Body::P2mFrames { first, last, .. } => format!(": pages {first:#x} to {last:#x}"),
        Body::Vcpu { vcpu, .. } => format!(": virtual CPU {vcpu}"),
        Body::TscInfo(tsc) => format!(": {:?}, {} kHz, {:?}", tsc.mode, tsc.khz, tsc.elapsed),
        Body::HvmContext { entries, .. } => format!(": {} entries", entries.len()),
        Body::HvmParams(params) => format!(": {} parameters", params.len()),
        Body::CpuidPolicy(leaves) => format!(": {} leaves", leaves.len()),
        Body::MsrPolicy(msrs) => format!(": {} registers", msrs.len()),
        Body::EmulatorStore { nodes, .. } => format!(": {} nodes", nodes.len()),
        _ => String::new(),
    }
}

fn sum_up(image: &Image) {
    let summary = &image.summary;
    if image.envelope.is_some() {
        println!("checksum: as when it was saved");
        println!("description: {} bytes", image.description.len());
    }
    println!("format: {:?}, version {} of libxc's stream", summary.format, summary.version);
    match summary.writer {
        Writer::Xen { major, minor } => println!("written by: Xen {major}.{minor}"),
        Writer::Converter(version) => println!("written by: the converter, version {version}"),
    }
    println!("guest: {:?}, {} virtual CPUs", summary.guest, summary.vcpus);
    println!("map: {}, sent in {} passes", summary.p2m_size, summary.passes);
    println!("sent: {}", pages(&summary.pages));
    println!("policy: {} CPUID leaves, {} registers", summary.cpuid_leaves, summary.msrs);
    println!("checkpoints: {}", summary.checkpoints);
    println!("records: {}, {} in all", summary.records, summary.size);
}

fn pages(counts: &PageCounts) -> String {
    let PageCounts { normal, tables, broken, allocate_only, invalid, .. } = counts;
    let kinds = [
        (*normal, "normal"),
        (tables.iter().sum(), "tables"),
        (*broken, "broken"),
        (*allocate_only, "without contents"),
        (*invalid, "invalid"),
    ];
    let kinds = kinds.iter().filter(|(count, _)| *count > 0);
    let kinds: Vec<String> = kinds.map(|(count, kind)| format!("{count} {kind}")).collect();
    format!("{} pages ({})", counts.total(), kinds.join(", "))
}

fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", chain(cause))).unwrap_or_default();
    format!("{error}{cause}")
}
