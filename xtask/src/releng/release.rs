//! What a release must not hold.

use crate::failure::Failure;

/// What keeps a run from being a release; empty for one that may be.
#[derive(Debug, Default)]
pub(crate) struct Blockers(Vec<String>);

impl Blockers {
    /// Notes one more.
    pub(crate) fn add(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }

    /// The failure that lists all of them.
    pub(crate) fn refuse(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!("this cannot be a release:\n  {}", self.0.join("\n  ")))
            .hint("without --release it is built all the same, and says so"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_blockers_are_listed() {
        assert!(Blockers::default().refuse().is_ok());
        let mut blockers = Blockers::default();
        blockers.add("one");
        blockers.add("two");
        let text = blockers.refuse().unwrap_err().error.to_string();
        assert!(text.contains("one") && text.contains("two"), "{text}");
    }
}
