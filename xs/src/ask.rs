//! Questions to the store as values: what is asked, about what, and how the answer is understood.
//!
//! Every verb of both clients is one of these. They can also be made here and put many at a time:
//! see [`Store::batch`](crate::Store::batch).

use xen_types::{DomId, Gfn, Port};

use crate::error::{Cause, Error, Result, Subject};
use crate::path::{Name, Path};
use crate::perms::Perms;
use crate::proto::{ErrorCode, Features, Reply, Request};

/// A question that has not been put yet; its answer is a `T`.
#[derive(Debug)]
#[must_use = "a question does nothing before it is put"]
pub struct Ask<'a, T> {
    operation: &'static str,
    about: About<'a>,
    request: Request<'a>,
    understand: fn(Outcome) -> std::result::Result<T, Cause>,
}

/// What became of one request.
pub(crate) type Outcome = std::result::Result<Reply, Cause>;

#[derive(Debug, Clone, Copy)]
enum About<'a> {
    Node(&'a Path),
    Domain(DomId),
    Text(&'a str),
}

/// [`View::read`](crate::View::read).
pub fn read(path: &Path) -> Ask<'_, Vec<u8>> {
    node("read", path, Request::Read(path), |answer| Ok(answer?.into_value()))
}

/// [`View::read_str`](crate::View::read_str).
pub fn read_str(path: &Path) -> Ask<'_, String> {
    node("read", path, Request::Read(path), |answer| text(answer?))
}

/// [`View::read_opt`](crate::View::read_opt).
pub fn read_opt(path: &Path) -> Ask<'_, Option<Vec<u8>>> {
    let understand = |answer| Ok(found(answer)?.map(Reply::into_value));
    node("read", path, Request::Read(path), understand)
}

/// [`View::read_str_opt`](crate::View::read_str_opt).
pub fn read_str_opt(path: &Path) -> Ask<'_, Option<String>> {
    node("read", path, Request::Read(path), |answer| found(answer)?.map(text).transpose())
}

/// As [`View::directory`](crate::View::directory); `None` if there is no such node. A list over 4 KiB,
/// which the C daemon has only in parts, fails with [`Kind::Invalid`](crate::Kind::Invalid).
pub fn directory_opt(path: &Path) -> Ask<'_, Option<Vec<Name>>> {
    let understand = |answer| Ok(found(answer)?.map(|reply| reply.names()).transpose()?);
    node("list", path, Request::Directory(path), understand)
}

/// [`View::perms`](crate::View::perms).
pub fn perms(path: &Path) -> Ask<'_, Perms> {
    let request = Request::GetPerms(path);
    node("read permissions of", path, request, |answer| Ok(answer?.perms()?))
}

/// [`Store::write`](crate::Store::write).
pub fn write<'a>(path: &'a Path, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Ask<'a, ()> {
    node("write", path, Request::Write { path, value: value.as_ref() }, done)
}

/// [`Store::mkdir`](crate::Store::mkdir).
pub fn mkdir(path: &Path) -> Ask<'_, ()> {
    node("make", path, Request::Mkdir(path), done)
}

/// [`Store::rm`](crate::Store::rm).
pub fn rm(path: &Path) -> Ask<'_, ()> {
    node("remove", path, Request::Rm(path), done)
}

/// [`Store::rm_if_exists`](crate::Store::rm_if_exists).
pub fn rm_if_exists(path: &Path) -> Ask<'_, ()> {
    node("remove", path, Request::Rm(path), |answer| found(answer).map(drop))
}

/// [`Store::set_perms`](crate::Store::set_perms).
pub fn set_perms<'a>(path: &'a Path, perms: &'a Perms) -> Ask<'a, ()> {
    node("set permissions of", path, Request::SetPerms { path, perms }, done)
}

pub(crate) fn introduce(dom: DomId, gfn: Gfn, port: Port) -> Ask<'static, ()> {
    domain("introduce", dom, Request::Introduce { dom, gfn, port }, done)
}

pub(crate) fn release(dom: DomId) -> Ask<'static, ()> {
    domain("release", dom, Request::Release(dom), done)
}

pub(crate) fn resume(dom: DomId) -> Ask<'static, ()> {
    domain("resume", dom, Request::Resume(dom), done)
}

pub(crate) fn domain_path(dom: DomId) -> Ask<'static, Path> {
    domain("find the home of", dom, Request::GetDomainPath(dom), |answer| Ok(answer?.path()?))
}

pub(crate) fn is_introduced(dom: DomId) -> Ask<'static, bool> {
    let request = Request::IsDomainIntroduced(dom);
    domain("ask the store about", dom, request, |answer| Ok(answer?.flag()?))
}

pub(crate) fn set_target(dom: DomId, target: DomId) -> Ask<'static, ()> {
    domain("set the target of", dom, Request::SetTarget { dom, target }, done)
}

pub(crate) fn features_of(dom: DomId) -> Ask<'static, Features> {
    let request = Request::GetFeature(Some(dom));
    domain("ask the store's features for", dom, request, |answer| Ok(answer?.features()?))
}

pub(crate) fn set_features(dom: DomId, features: Features) -> Ask<'static, ()> {
    let request = Request::SetFeature { dom, features };
    domain("set the store's features for", dom, request, done)
}

pub(crate) fn quota(name: &str, dom: Option<DomId>) -> Ask<'_, u32> {
    let request = Request::GetQuota { dom, name };
    about("read the quota", About::Text(name), request, |answer| Ok(answer?.number()?))
}

pub(crate) fn set_quota(name: &str, dom: Option<DomId>, value: u32) -> Ask<'_, ()> {
    about("set the quota", About::Text(name), Request::SetQuota { dom, name, value }, done)
}

pub(crate) fn control<'a>(words: &'a [&'a str]) -> Ask<'a, String> {
    let command = About::Text(words.first().copied().unwrap_or("nothing"));
    about("tell the store to", command, Request::Control(words), |answer| {
        let mut output = answer?.into_value();
        if output.last() == Some(&0) {
            output.pop();
        }
        String::from_utf8(output).map_err(|_| Cause::NotText)
    })
}

pub(crate) fn reset_watches() -> Ask<'static, ()> {
    about("reset", About::Text("all watches and transactions"), Request::ResetWatches, done)
}

/// Needs a [`PUSH`].
pub(crate) fn features() -> Ask<'static, Features> {
    let subject = About::Text("its features");
    about("ask the store for", subject, Request::GetFeature(None), |answer| Ok(answer?.features()?))
}

/// Needs a [`PUSH`].
pub(crate) fn quotas() -> Ask<'static, Vec<String>> {
    let subject = About::Text("its quotas");
    about("ask the store for", subject, Request::GetQuotaNames, |answer| Ok(answer?.words()?))
}

impl<'a, T> Ask<'a, T> {
    pub(crate) const fn request(&self) -> &Request<'a> {
        &self.request
    }

    pub(crate) fn answered(&self, outcome: Outcome) -> Result<T> {
        (self.understand)(outcome)
            .map_err(|cause| Error::new(self.operation, self.about.subject(), cause))
    }
}

/// A request that any daemon answers, whoever asks. It follows those with an empty payload, which
/// oxenstored answers only when more arrives.
pub(crate) const PUSH: Request<'static> = Request::GetDomainPath(DomId::DOM0);

impl About<'_> {
    fn subject(self) -> Subject {
        match self {
            Self::Node(path) => Subject::Node(path.clone()),
            Self::Domain(dom) => Subject::Domain(dom),
            Self::Text(text) => Subject::Text(text.to_owned()),
        }
    }
}

fn node<'a, T>(
    operation: &'static str,
    path: &'a Path,
    request: Request<'a>,
    understand: fn(Outcome) -> std::result::Result<T, Cause>,
) -> Ask<'a, T> {
    about(operation, About::Node(path), request, understand)
}

fn domain<T>(
    operation: &'static str,
    dom: DomId,
    request: Request<'static>,
    understand: fn(Outcome) -> std::result::Result<T, Cause>,
) -> Ask<'static, T> {
    about(operation, About::Domain(dom), request, understand)
}

const fn about<'a, T>(
    operation: &'static str,
    about: About<'a>,
    request: Request<'a>,
    understand: fn(Outcome) -> std::result::Result<T, Cause>,
) -> Ask<'a, T> {
    Ask { operation, about, request, understand }
}

fn done(answer: Outcome) -> std::result::Result<(), Cause> {
    answer.map(drop)
}

/// `None` for what does not exist.
pub(crate) fn found(answer: Outcome) -> std::result::Result<Option<Reply>, Cause> {
    match answer {
        Ok(reply) => Ok(Some(reply)),
        Err(Cause::Code(ErrorCode::Enoent)) => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn text(reply: Reply) -> std::result::Result<String, Cause> {
    String::from_utf8(reply.into_value()).map_err(|_| Cause::NotText)
}
