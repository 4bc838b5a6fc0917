//! Empty folders of the xenstore: they go with the last node in them.

use std::collections::BTreeSet;
use std::iter;

use xen_types::DomId;
use xs::{Name, Path, Store, ask};

use crate::error::Leftover;
use crate::host::Host;

impl Host {
    /// Removes the folders above removed nodes that they left empty, up to a domain's home or the root,
    /// so that a host that has run a thousand guests looks like one that has run none.
    pub(crate) fn prune_above(&self, removed: &[Path]) {
        // The nodes are gone; an empty folder above them is in nobody's way.
        if let Err(error) = self.prune(removed, None) {
            tracing::debug!(?removed, %error, "an empty folder stays");
        }
    }

    /// Removes a node with all below it, in one transaction with the folders that it and `removed` ones
    /// leave empty: as long as it is there, it says that there is something to remove. Returns what it could
    /// not.
    pub(crate) fn remove_with_folders(&self, last: &Path, removed: &[Path]) -> Option<Leftover> {
        let Err(error) = self.prune(removed, Some(last)) else { return None };
        tracing::debug!(%last, %error, "its folders stay");
        self.store.rm_if_exists(last).err().map(|why| Leftover::node(last, why))
    }

    /// Most folders are in use: one look at the lowest ones tells which may be empty. The transaction sees
    /// all above them, so of several who empty folders at once the last one finds them empty.
    fn prune(&self, removed: &[Path], last: Option<&Path>) -> Result<(), xs::Error> {
        let chains: Vec<_> = removed.iter().chain(last).map(folders_above).collect();
        let lowest = chains.iter().filter_map(|chain| chain.first().cloned()).collect();
        let empty = empty_ones(&self.store, &lowest, last);
        let is_empty = |chain: &&Vec<Path>| chain.first().is_some_and(|low| empty.contains(low));
        let folders: BTreeSet<_> = chains.iter().filter(is_empty).flatten().cloned().collect();
        if folders.is_empty() {
            return last.map_or(Ok(()), |last| self.store.rm_if_exists(last));
        }
        self.store.transaction(|tx| {
            // A folder with a value of its own is more than a folder.
            let values = iter::zip(&folders, tx.batch(folders.iter().map(ask::read)));
            let bare = values.filter(|(_, value)| value.as_ref().is_ok_and(Vec::is_empty));
            let empty = empty_ones(tx, &bare.map(|(folder, _)| folder.clone()).collect(), last);
            let stays = |path: &&Path| !path.parent().is_some_and(|above| empty.contains(&above));
            let going = empty.iter().chain(last).filter(stays).map(ask::rm_if_exists);
            tx.batch(going).into_iter().collect()
        })
    }
}

/// Which folders have nothing in them but folders of these that are empty, and `last`.
fn empty_ones(store: &impl Store, folders: &BTreeSet<Path>, last: Option<&Path>) -> BTreeSet<Path> {
    // Where the list fails, it is a long one.
    let listed = store.batch(folders.iter().map(ask::directory_opt));
    let listed = listed.into_iter().map(|names| names.ok().flatten());
    empty_of(iter::zip(folders, listed).collect(), last)
}

fn empty_of(listed: Vec<(&Path, Option<Vec<Name>>)>, last: Option<&Path>) -> BTreeSet<Path> {
    let mut going: BTreeSet<_> = last.into_iter().cloned().collect();
    let mut empty = BTreeSet::new();
    // What is in a folder comes behind it.
    for (folder, names) in listed.into_iter().rev() {
        if names.is_some_and(|names| names.iter().all(|name| going.contains(&folder.join(name)))) {
            going.insert(folder.clone());
            empty.insert(folder.clone());
        }
    }
    empty
}

/// The folders above a node that may go with it, from the lowest up.
fn folders_above(path: &Path) -> Vec<Path> {
    iter::successors(path.parent(), Path::parent).take_while(|folder| !is_kept(folder)).collect()
}

/// The root, the folder of domains and a domain's home stay even when they are empty, and the folder in
/// which a guest's drivers tell of errors: they could not make it again.
fn is_kept(path: &Path) -> bool {
    let above = path.parent();
    if let Some(home) = above.as_ref().filter(|_| path.leaf() == "error") {
        return home.parent() == Some(Path::DOMAINS) && *home != Path::domain(DomId::DOM0);
    }
    *path == Path::ROOT
        || *path == Path::DOMAINS
        || above.as_ref() == Some(&Path::DOMAINS)
        || above == Some(Path::ROOT) && path.leaf() == "local"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pruning_stops_at_a_domains_home_and_where_it_tells_of_errors() {
        assert!(is_kept(&Path::from_static("/local/domain/0")));
        assert!(is_kept(&Path::from_static("/local/domain")));
        assert!(is_kept(&Path::from_static("/local")));
        assert!(!is_kept(&Path::from_static("/local/domain/0/backend")));
        assert!(!is_kept(&Path::from_static("/libxl")));
        assert!(is_kept(&Path::from_static("/local/domain/7/error")));
        assert!(!is_kept(&Path::from_static("/local/domain/0/error")));
        assert!(!is_kept(&Path::from_static("/local/domain/7/error/device")));
    }

    fn empty(listed: &[(&'static str, &[&str])], last: Option<&'static str>) -> Vec<String> {
        let folders: Vec<_> = listed.iter().map(|(at, _)| Path::from_static(at)).collect();
        let names = |names: &[&str]| names.iter().map(|name| Name::new(*name).unwrap()).collect();
        let names = listed.iter().map(|(_, in_it)| Some(names(in_it)));
        let last = last.map(Path::from_static);
        let empty = empty_of(iter::zip(&folders, names).collect(), last.as_ref());
        empty.into_iter().map(|path| path.to_string()).collect()
    }

    #[test]
    fn a_folder_is_empty_with_nothing_in_it_but_empty_ones_that_go() {
        let above = folders_above(&Path::from_static("/local/domain/0/backend/vbd/7/51712"));
        let shown: Vec<_> = above.iter().map(Path::as_str).collect();
        let [low, middle, high] = [
            "/local/domain/0/backend/vbd/7",
            "/local/domain/0/backend/vbd",
            "/local/domain/0/backend",
        ];
        assert_eq!(shown, [low, middle, high]);
        let listed = |in_low, in_middle, in_high| {
            empty(&[(high, in_high), (middle, in_middle), (low, in_low)], None)
        };
        assert_eq!(listed(&[], &["7"], &["vbd", "console"]), [middle, low]);
        assert_eq!(listed(&[], &["7"], &["vbd"]), [high, middle, low]);
        assert_eq!(listed(&[], &["7", "8"], &["vbd"]), [low]);
        assert!(listed(&["51728"], &["7"], &["vbd"]).is_empty());
    }

    #[test]
    fn a_folder_of_two_that_go_together_goes_with_them() {
        let both = [("/a", &["b", "c"][..]), ("/a/b", &[]), ("/a/c", &[])];
        assert_eq!(empty(&both, None), ["/a", "/a/b", "/a/c"]);
        let one = [("/a", &["b", "c"][..]), ("/a/b", &["d"]), ("/a/c", &[])];
        assert_eq!(empty(&one, None), ["/a/c"]);
    }

    #[test]
    fn what_goes_last_does_not_keep_its_folder() {
        let listed = [("/libxl/7/device", &["vbd"][..]), ("/libxl/7/device/vbd", &["51712"])];
        let last = Some("/libxl/7/device/vbd/51712");
        assert_eq!(empty(&listed, last), ["/libxl/7/device", "/libxl/7/device/vbd"]);
        assert!(empty(&listed, None).is_empty());
        let another =
            [("/libxl/7/device", &["vbd"][..]), ("/libxl/7/device/vbd", &["51712", "51728"])];
        assert!(empty(&another, last).is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_or_cannot_be_listed_is_not_empty() {
        let folder = Path::from_static("/libxl/7/device/vbd");
        assert!(empty_of(vec![(&folder, None)], None).is_empty());
    }
}
