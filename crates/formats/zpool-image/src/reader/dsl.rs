//! The tree of datasets and snapshots in the pool's own objects.

use std::collections::BTreeSet;

use super::block::Storage;
use super::fields::u64_at;
use super::object::{Dnode, ObjectSet};
use super::pointer::Pointer;
use super::zap::entries;
use crate::Error;
use crate::dnode::{DSL_DATASET, DSL_DIR};

/// Datasets in datasets deeper than this are refused, and so are more than [`MOST_DATASETS`].
const DEEPEST: usize = 50;
const MOST_DATASETS: usize = 100_000;

/// A directory of the tree: a dataset with its snapshots, or one that only the pool uses.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    /// The full name of the dataset.
    pub(super) name: String,
    pub(super) object: u64,
    /// The directory it is in.
    pub(super) parent: Option<u64>,
    /// Bytes used by it and everything below it.
    pub(super) used: u64,
    /// The same by its dataset, its snapshots, its children, and two kinds of reservations.
    pub(super) breakdown: Option<[u64; 5]>,
}

/// A dataset or a snapshot.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// The full name, `dataset@snapshot` for snapshots.
    pub(super) name: String,
    pub(super) object: u64,
    /// The object of its directory.
    pub(super) directory: u64,
    /// The snapshot before it, and when that was made.
    pub(super) previous: (u64, u64),
    /// When it was made.
    pub(super) birth: u64,
    /// Bytes allocated, stored, and after decompression, of all its blocks.
    pub(super) referenced: [u64; 3],
    /// The root of its objects; a hole when it has none.
    pub(super) pointer: Pointer,
}

/// The datasets of a pool.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) directories: Vec<Directory>,
    /// Sorted by name.
    pub(super) heads: Vec<Head>,
}

impl Tree {
    /// Reads the tree from the directory of the root dataset on.
    pub(super) fn read(
        pool: &str,
        root: u64,
        mos: &mut ObjectSet,
        storage: &Storage,
    ) -> Result<Self, Error> {
        let mut tree = Self::default();
        let mut seen = BTreeSet::new();
        let mut left = vec![(pool.to_owned(), root, None, 0)];
        while let Some((name, object, parent, depth)) = left.pop() {
            if depth > DEEPEST || tree.heads.len() > MOST_DATASETS || !seen.insert(object) {
                return Err(storage.damaged("datasets that have no end"));
            }
            let place = format!("dataset {name}, object {object} of the pool");
            let (directory, head, children) = mos
                .dnode(object, storage)
                .and_then(|dnode| {
                    Directory::parse(&name, object, parent, &dnode)
                        .ok_or_else(|| storage.damaged("no proper directory of a dataset"))
                })
                .map_err(|error| error.within(&place))?;
            tree.directories.push(directory);
            if head != 0 {
                let (first, names) = Head::read(&name, (head, object), mos, storage)?;
                tree.heads.push(first);
                let names = match names {
                    0 => Vec::new(),
                    names => table(names, mos, storage).map_err(|error| error.within(&place))?,
                };
                for (snapshot, head) in names {
                    let name = format!("{name}@{snapshot}");
                    tree.heads.push(Head::read(&name, (head, object), mos, storage)?.0);
                }
            }
            if children != 0 {
                let children = table(children, mos, storage);
                for (child, below) in children.map_err(|error| error.within(&place))? {
                    left.push((format!("{name}/{child}"), below, Some(object), depth + 1));
                }
            }
        }
        tree.heads.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tree)
    }

    /// The datasets and snapshots that hold anything, without those that only the pool uses.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Head> {
        self.heads.iter().filter(|head| !head.pointer.is_hole() && !is_hidden(&head.name))
    }

    /// The birth up to which the blocks of a dataset or snapshot belong to an earlier snapshot.
    pub(super) fn shared_until(&self, head: &Head) -> u64 {
        let (object, birth) = head.previous;
        let mut earlier = self.heads.iter().filter(|other| other.object == object);
        match earlier.next() {
            Some(snapshot) if !snapshot.pointer.is_hole() && snapshot.birth == birth => birth,
            _ => 0,
        }
    }
}

/// Whether a dataset is one of those that only the pool uses.
pub(super) fn is_hidden(name: &str) -> bool {
    name.contains("/$")
}

impl Directory {
    /// The directory, its head dataset, and the table of its children.
    fn parse(
        name: &str,
        object: u64,
        parent: Option<u64>,
        dnode: &Dnode,
    ) -> Option<(Self, u64, u64)> {
        if dnode.bonus_type != DSL_DIR {
            return None;
        }
        let word = |index: usize| u64_at(&dnode.bonus, 8 * index);
        let breakdown = match word(12)? & 1 {
            0 => None,
            _ => Some([word(13)?, word(14)?, word(15)?, word(16)?, word(17)?]),
        };
        let directory = Self { name: name.to_owned(), object, parent, used: word(5)?, breakdown };
        Some((directory, word(1)?, word(4)?))
    }
}

impl Head {
    /// A dataset or snapshot by its object and that of its directory; the table of its snapshots.
    fn read(
        name: &str,
        (object, directory): (u64, u64),
        mos: &mut ObjectSet,
        storage: &Storage,
    ) -> Result<(Self, u64), Error> {
        let parse = |dnode: Dnode| {
            let word = |index: usize| u64_at(&dnode.bonus, 8 * index);
            let head = Self {
                name: name.to_owned(),
                object,
                directory,
                previous: (word(1)?, word(2)?),
                birth: word(7)?,
                referenced: [word(9)?, word(10)?, word(11)?],
                pointer: Pointer::at(&dnode.bonus, 128)?,
            };
            Some((head, word(4)?)).filter(|_| dnode.bonus_type == DSL_DATASET)
        };
        mos.dnode(object, storage)
            .and_then(|dnode| parse(dnode).ok_or_else(|| storage.damaged("no proper dataset")))
            .map_err(|error| error.within(format_args!("dataset {name}, object {object}")))
    }
}

/// Names with objects.
fn table(object: u64, mos: &mut ObjectSet, storage: &Storage) -> Result<Vec<(String, u64)>, Error> {
    let names = entries(&mut mos.object(object, storage)?, storage)?;
    names
        .iter()
        .map(|entry| match entry.number() {
            Some(number) => Ok((String::from_utf8_lossy(&entry.name).into_owned(), number)),
            None => Err(storage.damaged("a name that leads to no object")),
        })
        .collect()
}
