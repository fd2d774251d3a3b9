//! Transforms, applied to everything that was read.

use std::collections::BTreeMap;

use super::{DEEPEST, Mogrified, source_action};
use crate::Error;
use crate::located::Located;
use crate::operands::PackageValues;
use crate::transform::{Outcome, Transform};

#[derive(Default)]
pub(super) struct Input {
    /// Actions; none at the end of each file that was given (not of included ones).
    pub(super) entries: Vec<Option<Located>>,
    pub(super) transforms: Vec<Transform>,
}

impl Input {
    /// Applies the transforms.
    pub(super) fn run(self, explain: bool) -> Result<Mogrified, Error> {
        let mut run = Run {
            transforms: &self.transforms,
            explain,
            printed: Vec::new(),
            actions: Vec::new(),
            notes: BTreeMap::new(),
        };
        let mut package = PackageValues::default();
        for entry in self.entries {
            let wanted = match entry {
                Some(located) => {
                    package.add(&located.action);
                    run.apply(Some(located), &package, 0)?
                }
                // The pseudo type `pkg` is the package as a whole, at the end of its file.
                None => {
                    let package = std::mem::take(&mut package);
                    package.list("pkg.fmri").is_empty() || run.apply(None, &package, 0)?
                }
            };
            if !wanted {
                return Ok(Mogrified { actions: None, printed: run.printed, notes: run.notes });
            }
        }
        Ok(Mogrified { actions: Some(run.actions), printed: run.printed, notes: run.notes })
    }
}

/// The application of all transforms to all actions.
struct Run<'a> {
    transforms: &'a [Transform],
    explain: bool,
    printed: Vec<String>,
    actions: Vec<Located>,
    notes: BTreeMap<usize, Vec<String>>,
}

impl Run<'_> {
    /// Applies the transforms to an action or the package, then to what they emitted, which comes
    /// behind. False when the package is not wanted.
    fn apply(
        &mut self,
        mut located: Option<Located>,
        package: &PackageValues,
        depth: usize,
    ) -> Result<bool, Error> {
        let mut emitted = Vec::new();
        let whole = located.is_none();
        for transform in self.transforms {
            let before = if self.explain { located.clone() } else { None };
            match transform.apply(located.as_mut(), package)? {
                Outcome::Continue => {}
                Outcome::Drop => located = None,
                Outcome::Print(text) => self.printed.push(text),
                Outcome::Emit(action) => emitted.extend(action),
                Outcome::Abort(message) => {
                    self.printed.extend(message);
                    return Ok(false);
                }
            }
            if let Some(before) = before
                && located.as_ref() != Some(&before)
            {
                self.note(transform, &before, located.as_ref());
            }
            if located.is_none() && !whole {
                break;
            }
        }
        self.actions.extend(located);
        for action in emitted {
            if depth == DEEPEST {
                let problem = format!("emits what it matches, {DEEPEST} times over: a cycle?");
                return Err(action.refuse(problem));
            }
            if !self.apply(Some(action), package, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes what a transform did to an action.
    fn note(&mut self, transform: &Transform, before: &Located, after: Option<&Located>) {
        let after = after
            .map_or("dropped".to_owned(), |located| source_action(&located.action).to_string());
        self.notes.entry(self.actions.len()).or_default().extend([
            format!(" Action: {}", source_action(&before.action)),
            format!("Applied: {}", transform.describe()),
            format!(" Result: {after}"),
        ]);
    }
}
