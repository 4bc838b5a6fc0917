//! The ordinary apt client on a state of its own, so that neither root nor the machine's own
//! package lists are touched.
//!
//! There is one state per Debian release: apt then resolves dependencies within that release, with
//! no pinning. The archives are authentic because apt checks them: lists signed by Debian's archive
//! keys, archives by the checksums in the lists. Nothing here weakens that.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::release::Suite;
use super::sources::Mirror;

/// An apt state that knows one Debian release.
#[derive(Debug)]
pub(crate) struct Apt {
    configuration: PathBuf,
    suite: Suite,
}

/// A package file that apt would fetch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Package {
    /// `name_version_architecture.deb`, as apt names what it downloads.
    pub(crate) file: String,
    pub(crate) size: u64,
    /// SHA-256 in hexadecimal, from the signed package lists.
    checksum: String,
}

impl Apt {
    /// Sets up the state of `suite` under `folder`.
    pub(crate) fn open(folder: &Path, suite: Suite, mirror: &Mirror) -> Result<Self> {
        let folder = folder.join(suite.name());
        for needed in ["lists/partial", "cache/archives/partial", "state"] {
            let needed = folder.join(needed);
            fs::create_dir_all(&needed).with_context(|| format!("create {}", needed.display()))?;
        }
        let apt = Self { configuration: folder.join("apt.conf"), suite };
        let write = |path: &Path, text: String| {
            fs::write(path, text).with_context(|| format!("write {}", path.display()))
        };
        write(&folder.join("status"), String::new())?;
        write(&folder.join("debian.sources"), sources(suite, mirror, keyring()?))?;
        write(&apt.configuration, configuration(&folder))?;
        Ok(apt)
    }

    /// Fetches the package lists.
    pub(crate) fn update(&self) -> Result<()> {
        // Without this, apt takes old lists for good enough when the mirror does not answer.
        let mut command = self.command("update");
        command.arg("--error-on=any");
        run(command)
            .with_context(|| format!("fetch the package lists of {}", self.suite.name()))?;
        Ok(())
    }

    /// `names` and all that they depend on.
    pub(crate) fn closure(&self, names: &[&str]) -> Result<Vec<Package>> {
        let mut command = self.command("install");
        command.args(["--print-uris", "--yes", "--no-install-recommends"]).args(names);
        let output = run(command)
            .with_context(|| format!("resolve {} in {}", names.join(", "), self.suite.name()))?;
        output.lines().map(package).collect()
    }

    /// Downloads `packages` into `folder`, calling `progress` with the bytes that are there.
    pub(crate) fn download(
        &self,
        packages: &[Package],
        folder: &Path,
        progress: &dyn Fn(u64),
    ) -> Result<()> {
        let mut command = self.command("download");
        command.args(packages.iter().map(Package::name_and_version)).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("start apt-get")?;
        // Read meanwhile, as apt waits on a full pipe.
        let mut stderr = child.stderr.take().context("apt-get has no standard error")?;
        let errors = thread::spawn(move || {
            let mut errors = Vec::new();
            stderr.read_to_end(&mut errors).map(|_| errors)
        });
        while child.try_wait().context("wait for apt-get")?.is_none() {
            let present = |package: &Package| {
                fs::metadata(folder.join(&package.file)).map_or(0, |metadata| metadata.len())
            };
            progress(packages.iter().map(present).sum());
            thread::sleep(Duration::from_millis(250));
        }
        let status = child.wait().context("wait for apt-get")?;
        if !status.success() {
            // Without apt's words its status has to do.
            let errors = errors.join().ok().and_then(Result::ok).unwrap_or_default();
            bail!("apt-get download, {status}: {}", complaints(&errors));
        }
        Ok(())
    }

    fn command(&self, operation: &str) -> Command {
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C").arg("-c").arg(&self.configuration).args(["-qq", operation]);
        command
    }
}

impl Package {
    #[cfg(test)]
    pub(crate) fn named(file: &str) -> Self {
        Self { file: file.to_owned(), size: 0, checksum: String::new() }
    }

    /// `name=version`, as apt takes it on its command line.
    fn name_and_version(&self) -> String {
        let mut parts = self.file.split('_');
        let name = parts.next().unwrap_or_default();
        let version = parts.next().unwrap_or_default();
        format!("{name}={}", version.replace("%3a", ":"))
    }

    pub(crate) fn name(&self) -> &str {
        self.file.split('_').next().unwrap_or_default()
    }
}

/// Reads one line of `--print-uris`: `'address' file size SHA256:checksum`.
fn package(line: &str) -> Result<Package> {
    let mut words = line.split_whitespace().skip(1);
    let (file, size, checksum) = (words.next(), words.next(), words.next());
    let size = size.and_then(|size| size.parse().ok());
    let checksum = checksum.and_then(|checksum| checksum.strip_prefix("SHA256:"));
    match (file, size, checksum) {
        (Some(file), Some(size), Some(checksum)) => {
            Ok(Package { file: file.to_owned(), size, checksum: checksum.to_owned() })
        }
        _ => bail!("apt-get printed {line:?} for a package's address"),
    }
}

/// Which of `packages` in `folder` are not what the signed package lists say.
///
/// Apt checks what it downloads, but takes a file of the right size that is there already.
pub(crate) fn damaged<'a>(packages: &'a [Package], folder: &Path) -> Result<Vec<&'a Package>> {
    let mut damaged = Vec::new();
    for packages in packages.chunks(64) {
        let output = Command::new("sha256sum")
            .env("LC_ALL", "C")
            .args(packages.iter().map(|package| &package.file))
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .context("start sha256sum")?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let is_whole = |package: &&Package| {
            let line = format!("{}  {}", package.checksum, package.file);
            printed.lines().any(|printed| printed == line)
        };
        damaged.extend(packages.iter().filter(|package| !is_whole(package)));
    }
    Ok(damaged)
}

fn run(mut command: Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context("start apt-get")?;
    if !output.status.success() {
        bail!("apt-get: {}", complaints(&output.stderr));
    }
    String::from_utf8(output.stdout).context("read what apt-get printed")
}

/// Apt's complaints in one line.
fn complaints(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("E:")).collect();
    if lines.is_empty() { text.trim().replace('\n', "; ") } else { lines.join("; ") }
}

/// The keys that sign Debian's lists; newer releases of the package renamed the file.
fn keyring() -> Result<&'static str> {
    const PLACES: [&str; 2] = [
        "/usr/share/keyrings/debian-archive-keyring.pgp",
        "/usr/share/keyrings/debian-archive-keyring.gpg",
    ];
    match PLACES.into_iter().find(|place| Path::new(place).exists()) {
        Some(place) => Ok(place),
        None => bail!("the lab needs Debian's archive keys: the package debian-archive-keyring"),
    }
}

fn sources(suite: Suite, mirror: &Mirror, keyring: &str) -> String {
    let suite = suite.name();
    let stanza = |uri: &str, suites: &str| {
        format!(
            "Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nArchitectures: amd64\n\
             Targets: Packages\nSigned-By: {keyring}\n\n"
        )
    };
    stanza(&mirror.archive, &format!("{suite} {suite}-updates"))
        + &stanza(&mirror.security, &format!("{suite}-security"))
}

/// What differs from the machine's own configuration; proxies and the like stay.
fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"Dir::State "{folder}/state";
Dir::State::Lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::archives "archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{folder}/debian.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::ForceHash "SHA256";
// What a machine may have been told to bear with.
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
// The sandbox user of root's apt cannot write here, and an ordinary user has none.
APT::Sandbox::User "root";
// The machine's hooks are about the machine's own packages.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "'http://m.example/debian/pool/main/b/busybox/busybox-static_1.35.0-4%2bb1_\
                        amd64.deb' busybox-static_1%3a1.35.0-4+b1_amd64.deb 928188 SHA256:3d3f";

    #[test]
    fn an_address_line_gives_file_and_size() {
        let package = package(LINE).unwrap();
        assert_eq!(package.file, "busybox-static_1%3a1.35.0-4+b1_amd64.deb");
        assert_eq!(package.size, 928_188);
    }

    #[test]
    fn a_weaker_checksum_is_refused() {
        package(&LINE.replace("SHA256", "MD5Sum")).unwrap_err();
    }

    #[test]
    fn a_file_that_differs_from_the_lists_is_damaged() {
        let folder = std::env::temp_dir().join(format!("xtask-apt-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let package = |file: &str, checksum: &str| {
            fs::write(folder.join(file), "abc").unwrap();
            Package { file: file.to_owned(), size: 3, checksum: checksum.to_owned() }
        };
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let packages = [package("whole", abc), package("other", &abc.replace('b', "c"))];
        let damaged = damaged(&packages, &folder).unwrap();
        assert_eq!(damaged, [&packages[1]]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_name_gives_back_the_version_with_its_epoch() {
        let package = package(LINE).unwrap();
        assert_eq!(package.name_and_version(), "busybox-static=1:1.35.0-4+b1");
    }

    #[test]
    fn other_output_is_an_error() {
        package("Reading package lists...").unwrap_err();
    }
}
