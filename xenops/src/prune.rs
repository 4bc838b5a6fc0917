//! Empty folders of the xenstore: they go with the last node in them.

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

    /// Most folders are in use: one look at all of them tells which may be empty. Who empties a folder
    /// looks at the next one after that, so of several who do it at once the last one finds it empty.
    fn prune(&self, removed: &[Path], mut last: Option<&Path>) -> Result<(), xs::Error> {
        let mut chains: Vec<_> = removed.iter().chain(last).map(folders_above).collect();
        while !chains.is_empty() {
            let (mut going, mut above) = (Vec::new(), Vec::new());
            for (mut chain, empty) in
                iter::zip(chains.clone(), empty_ones(&self.store, &chains, last))
            {
                let rest = chain.split_off(empty);
                if !chain.is_empty() {
                    going.push(chain);
                    above.push(rest);
                }
            }
            if going.is_empty() {
                break;
            }
            let gone = self.store.transaction(|tx| remove_empty(tx, &going, last))?;
            last = None;
            let gone = iter::zip(above, gone).filter(|(rest, gone)| *gone && !rest.is_empty());
            chains = gone.map(|(rest, _)| rest).collect();
        }
        last.map_or(Ok(()), |last| self.store.rm_if_exists(last))
    }
}

/// Removes the folders of chains as far up as they are empty without `last`, and `last`; whether all of a
/// chain have gone.
fn remove_empty(
    tx: &impl Store,
    chains: &[Vec<Path>],
    last: Option<&Path>,
) -> Result<Vec<bool>, xs::Error> {
    let values = tx.batch(chains.iter().flatten().map(ask::read_opt));
    let mut values = values.into_iter();
    let counts = empty_ones(tx, chains, last).into_iter().zip(chains).map(|(empty, chain)| {
        // A folder with a value of its own is more than a folder.
        let valued = values.by_ref().take(chain.len()).position(|value| match value {
            Ok(value) => value.is_some_and(|value| !value.is_empty()),
            Err(_) => true,
        });
        valued.map_or(empty, |valued| empty.min(valued))
    });
    let counts: Vec<_> = counts.collect();
    let highest = iter::zip(&counts, chains).filter_map(|(count, chain)| chain[..*count].last());
    let outcomes = tx.batch(highest.chain(last).map(ask::rm_if_exists));
    outcomes.into_iter().collect::<Result<(), _>>()?;
    Ok(iter::zip(counts, chains).map(|(count, chain)| count == chain.len()).collect())
}

/// How many folders of each chain have nothing in them but the one below and `last`.
fn empty_ones(store: &impl Store, chains: &[Vec<Path>], last: Option<&Path>) -> Vec<usize> {
    let listed = store.batch(chains.iter().flatten().map(ask::directory_opt));
    // Where the list fails, it is a long one.
    let mut listed = listed.into_iter().map(|names| names.ok().flatten());
    let counts = chains.iter().map(|chain| {
        let names: Vec<_> = listed.by_ref().take(chain.len()).collect();
        how_many_empty(chain, &names, last)
    });
    counts.collect()
}

/// How many folders, from the lowest up, have nothing in them but the one below and `last`.
fn how_many_empty(folders: &[Path], names: &[Option<Vec<Name>>], last: Option<&Path>) -> usize {
    let parent = last.and_then(Path::parent);
    let below = iter::once(None).chain(folders.iter().map(|folder| Some(folder.leaf())));
    let is_empty = |((names, folder), below): &((&Option<Vec<Name>>, &Path), Option<&str>)| {
        let going = last.filter(|_| parent.as_ref() == Some(folder)).map(Path::leaf);
        let goes = |name: &Name| [*below, going].contains(&Some(name.as_str()));
        names.as_ref().is_some_and(|names| names.iter().all(goes))
    };
    names.iter().zip(folders).zip(below).take_while(is_empty).count()
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

    #[test]
    fn a_folder_is_empty_with_nothing_in_it_but_an_empty_one_that_goes() {
        let folders = folders_above(&Path::from_static("/local/domain/0/backend/vbd/7/51712"));
        let shown: Vec<_> = folders.iter().map(Path::as_str).collect();
        let backend = "/local/domain/0/backend";
        assert_eq!(shown, [&format!("{backend}/vbd/7"), &format!("{backend}/vbd"), backend]);
        let names =
            |names: &[&str]| Some(names.iter().map(|name| Name::new(*name).unwrap()).collect());
        let empty = |seen: [Option<Vec<Name>>; 3]| how_many_empty(&folders, &seen, None);
        assert_eq!(empty([names(&[]), names(&["7"]), names(&["vbd", "console"])]), 2);
        assert_eq!(empty([names(&[]), names(&["7"]), names(&["vbd"])]), 3);
        assert_eq!(empty([names(&[]), names(&["7", "8"]), names(&["vbd"])]), 1);
        assert_eq!(empty([names(&["51728"]), names(&["7"]), names(&["vbd"])]), 0);
        assert_eq!(empty([None, names(&[]), names(&[])]), 0);
    }

    #[test]
    fn what_goes_last_does_not_keep_its_folder() {
        let last = Path::from_static("/libxl/7/device/vbd/51712");
        let folders = folders_above(&last);
        let names =
            |names: &[&str]| Some(names.iter().map(|name| Name::new(*name).unwrap()).collect());
        let all = [names(&["51712"]), names(&["vbd"]), names(&["device"]), names(&["7"])];
        assert_eq!(how_many_empty(&folders, &all, Some(&last)), 4);
        assert_eq!(how_many_empty(&folders, &all, None), 0);
        let another = [names(&["51712", "51728"]), names(&["vbd"]), names(&[]), names(&[])];
        assert_eq!(how_many_empty(&folders, &another, Some(&last)), 0);
    }
}
