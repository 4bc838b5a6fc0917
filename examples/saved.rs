//! Saves a domain into a file and removes it, or restores one from such a file, perhaps on another
//! host. `cargo run -p examples --example saved -- save DOMAIN FILE`, or `-- restore FILE`, in the
//! control domain.
//!
//! The file holds a description of the domain in a form of this program. Ends with 3 where no Xen
//! runs.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use xen_types::MiB;
use xenops::{
    CreateOptions, Deadline, Domain, DomainConfig, GuestKind, Host, Kind, Limits, SaveOptions,
    SaveProgress, SavedFile,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let host = match Host::open() {
        Err(error) if error.kind() == Kind::Unavailable => {
            println!("no Xen here: {error}");
            return Ok(ExitCode::from(3));
        }
        opened => opened?,
    };
    let limits = Limits::until(Deadline::after(Duration::from_secs(300)));
    match words[..] {
        ["save", whom, file] => save(&host, &host.find(whom)?, Path::new(file), &limits)?,
        ["restore", file] => restore(&host, Path::new(file), &limits)?,
        _ => return Err("usage: saved save DOMAIN FILE | saved restore FILE".into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn save(host: &Host, domain: &Domain, file: &Path, limits: &Limits) -> xenops::Result<()> {
    let options = SaveOptions::default();
    let kind = host.xc().info(domain.id).is_ok_and(|info| info.is_hvm());
    let kind = if kind { "pvh" } else { "pv" };
    let (name, memory) =
        (domain.name.as_deref().unwrap_or("nameless"), domain.memory.to_mib_down());
    let description = format!("{name}\n{kind}\n{}\n{}\n{}", memory.0, domain.vcpus, domain.uuid);
    let mut told = |progress| {
        if let SaveProgress::Suspended = progress {
            println!("{name} is suspended");
        }
    };
    let bytes = description.as_bytes();
    let saved = host.save_to_file(domain.id, file, bytes, &options, limits, &mut told)?;
    println!("{name} is saved: {} frames in {} rounds", saved.frames.0, saved.rounds);
    Ok(())
}

fn restore(host: &Host, file: &Path, limits: &Limits) -> Result<(), Box<dyn Error>> {
    let mut saved = SavedFile::open(file)?;
    println!("the file is whole: {}", saved.summary().contents);
    let text = String::from_utf8(saved.description().to_vec())?;
    let lines: Vec<&str> = text.lines().collect();
    let [name, kind, memory, vcpus, uuid] = lines[..] else {
        return Err("its description is of another program".into());
    };
    let kind = if kind == "pv" { GuestKind::Pv } else { GuestKind::Pvh };
    let mut config = DomainConfig::new(name, kind, "", MiB(memory.parse()?));
    config.vcpus = vcpus.parse()?;
    config.uuid = Some(uuid.parse()?);
    let dom = host.restore_from_file(&mut saved, &config, CreateOptions::default(), limits)?;
    println!("{name} goes on as domain {dom}");
    Ok(())
}
