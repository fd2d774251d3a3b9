//! Verification: every block, every copy of it, every name, and the space all of it takes.

use std::collections::{BTreeMap, BTreeSet};

use proto::{Kind, ProtoPath};

use super::accounting::{self, Own};
use super::claims::{Claims, Division};
use super::dataset::{Dataset, Seen};
use super::dsl::Head;
use super::findings::{Counts, Finding, Verification};
use super::image::Image;
use super::object::ObjectSet;
use super::space;
use super::walk::{Tally, Walk};
use crate::Error;

/// The purpose of an object set that is a file system.
const FILE_SYSTEM: u64 = 2;

impl Image {
    /// Reads every block of the pool in all its copies and compares checksums; follows every name
    /// to its object; compares the space maps with the space that all blocks take, and the sums
    /// that objects, datasets and block pointers keep with what is there; looks at each of the
    /// four labels. What is wrong is in the result; an error is something that keeps from looking.
    ///
    /// A block that a dataset shares with an earlier snapshot is read, and reported, as a block of
    /// the earliest one. Memory: two bits for every sector in use.
    pub fn verify(&self) -> Result<Verification, Error> {
        let labels = self.newest.check(&self.storage)?;
        let mut verification = self.verify_all()?.0;
        let labels = labels.into_iter().map(|problem| Finding::of_pool(None, problem));
        verification.findings.splice(0..0, labels);
        Ok(verification)
    }

    /// Where the blocks of the pool are: ranges of bytes of the image in their order, those that
    /// touch each other joined. Labels are not among them. Reads every block.
    pub fn used(&self) -> Result<Vec<std::ops::Range<u64>>, Error> {
        let claims = self.verify_all()?.1;
        Ok(claims.map_or_else(Vec::new, |c| space::ranges(&c.all(), &c.division).collect()))
    }

    /// Everything but the labels, and the space that was found to be used.
    pub(super) fn verify_all(&self) -> Result<(Verification, Option<Claims>), Error> {
        let mut verification = Verification::default();
        let claims = Division::of(&self.newest.configuration, &self.storage).map(Claims::new);
        let mut unclaimed = None;

        let walked = Walk::new(&self.storage, claims.as_ref(), 0).object_set(&self.newest.root)?;
        verification.add(None, walked.tally, &Names::default());

        let mut own = Own::default();
        for head in self.tree.heads.iter().filter(|head| !head.pointer.is_hole()) {
            let shared_until = self.tree.shared_until(head);
            let walk = Walk::new(&self.storage, claims.as_ref(), shared_until);
            // Following names waits for one block after the other: there is time for both.
            let (walked, names) =
                rayon::join(|| walk.object_set(&head.pointer), || self.names(head));
            let (mut walked, mut names) = (walked?, names?);
            names.without(self, head, &mut walked.tally);
            if let (Some(log), Some(claims)) = (&walked.intent_log, &claims)
                && !head.name.contains('@')
                && !space::claim_log(log, claims, self)
            {
                unclaimed = Some(format!("dataset {} has an intent log to be replayed", head.name));
            }
            own.add(head, &mut walked.tally);
            verification.add(Some(&head.name), walked.tally, &names);
        }
        accounting::check(&self.tree, &own, &mut verification);
        match (&claims, unclaimed) {
            (Some(claims), None) => space::compare(self, claims, &mut verification)?,
            (_, unclaimed) => {
                let without = || "the label does not say how the device is divided".to_owned();
                verification.space.not_compared = Some(unclaimed.unwrap_or_else(without));
            }
        }
        Ok((verification, claims))
    }

    /// Follows the names of a dataset.
    fn names(&self, head: &Head) -> Result<Names, Error> {
        let mut names = Names::default();
        let followed = ObjectSet::open(&head.pointer, &self.storage).and_then(|set| {
            if set.purpose != FILE_SYSTEM {
                return Ok(());
            }
            let mut dataset = Dataset::open(&head.name, &head.pointer, &self.storage)?;
            dataset.walk(|seen| names.add(&head.name, seen))
        });
        match followed {
            Ok(()) => Ok(names),
            Err(Error::Damaged { problem, .. }) => {
                names.end = Some(problem);
                Ok(names)
            }
            Err(error) => Err(error),
        }
    }

    /// The first paths of objects of a dataset, as far as they can still be found.
    fn paths_of(&self, head: &Head, objects: &BTreeSet<u64>) -> BTreeMap<u64, ProtoPath> {
        let mut paths = BTreeMap::new();
        let dataset = Dataset::open(&head.name, &head.pointer, &self.storage);
        let _ = dataset.and_then(|mut dataset| {
            dataset.walk(|Seen { path, object, .. }| {
                if objects.contains(&object) {
                    paths.entry(object).or_insert_with(|| path.clone());
                }
                Ok(())
            })
        });
        paths
    }
}

/// What following the names of a dataset tells.
#[derive(Debug, Default)]
struct Names {
    counts: Counts,
    /// What is wrong with objects that have names.
    problems: Vec<(u64, ProtoPath, String)>,
    /// What kept from following further names.
    end: Option<String>,
    /// The first paths of objects with damaged blocks.
    paths: BTreeMap<u64, ProtoPath>,
}

impl Names {
    fn add(&mut self, name: &str, Seen { path, object, entry }: Seen<'_>) -> Result<(), Error> {
        let counts = &mut self.counts;
        match entry {
            Ok(found) => match &found.entry.kind {
                Kind::File(content) => {
                    counts.files += 1;
                    counts.content = counts.content.saturating_add(content.size);
                }
                Kind::Hardlink { .. } => counts.files += 1,
                Kind::Directory => counts.directories += 1,
                _ => counts.others += 1,
            },
            Err(Error::Damaged { problem, .. }) => {
                // The finding names the place itself.
                let place = format!("dataset {name}, object {object}, path {path}: ");
                let problem = problem.strip_prefix(&place).unwrap_or(&problem).to_owned();
                self.problems.push((object, path.clone(), problem));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Leaves out what follows from damaged blocks, which are reported as such.
    fn without(&mut self, image: &Image, head: &Head, tally: &mut Tally) {
        match &self.end {
            Some(problem) if tally.problems.is_empty() => {
                tally.problems.push((None, problem.clone()));
            }
            _ => {}
        }
        let damaged = tally.problems.iter().filter_map(|(object, _)| *object);
        let damaged: BTreeSet<u64> = damaged.collect();
        if !damaged.is_empty() {
            self.problems.retain(|(object, ..)| !damaged.contains(object));
            self.paths = image.paths_of(head, &damaged);
        }
    }
}

impl Verification {
    /// Adds what was found of an object set.
    fn add(&mut self, name: Option<&str>, tally: Tally, names: &Names) {
        let dataset = name.map(str::to_owned);
        for (object, problem) in tally.problems {
            let path = object.and_then(|object| names.paths.get(&object).cloned());
            self.findings.push(Finding { dataset: dataset.clone(), object, path, problem });
        }
        for (object, path, problem) in names.problems.iter().cloned() {
            let (object, path) = (Some(object), Some(path));
            self.findings.push(Finding { dataset: dataset.clone(), object, path, problem });
        }
        self.counts.push(Counts {
            dataset,
            objects: tally.objects,
            blocks: tally.blocks,
            stored: tally.stored,
            logical: tally.logical,
            ..names.counts.clone()
        });
    }
}

impl Finding {
    /// Something about the pool itself.
    pub(super) fn of_pool(object: Option<u64>, problem: String) -> Self {
        Self { dataset: None, object, path: None, problem }
    }
}
