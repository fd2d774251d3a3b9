//! Mediated links: several packages offer a link at one path, and a rule (or the administrator)
//! picks the one that is made.

use std::collections::{BTreeMap, BTreeSet};

use super::config::{ImageConfig, Mediation};
use crate::{Action, DotSequence};

/// What an action offers to its mediator. Offers order from worst to best.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    priority: Priority,
    version: Option<DotSequence>,
    /// Reversed, because of two names the first in the alphabet is the better.
    implementation: std::cmp::Reverse<Option<String>>,
    implementation_version: Option<DotSequence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Priority {
    None,
    Vendor,
    Site,
}

impl Offer {
    fn of(action: &Action) -> Self {
        let version = |text: &str| text.parse::<DotSequence>().ok();
        let implementation = action.get("mediator-implementation");
        let (name, implementation_version) = match implementation.map(|i| i.split_once('@')) {
            Some(Some((name, v))) => (Some(name), version(v)),
            _ => (implementation, None),
        };
        Self {
            priority: match action.get("mediator-priority") {
                Some("site") => Priority::Site,
                Some("vendor") => Priority::Vendor,
                _ => Priority::None,
            },
            version: action.get("mediator-version").and_then(version),
            implementation: std::cmp::Reverse(name.map(str::to_owned)),
            implementation_version,
        }
    }

    fn implementation_text(&self) -> Option<String> {
        let name = self.implementation.0.as_ref()?;
        Some(match &self.implementation_version {
            Some(version) => format!("{name}@{version}"),
            None => name.clone(),
        })
    }

    /// Whether this is what the administrator chose, as far as they chose.
    fn suits(&self, chosen: &Mediation) -> bool {
        let version_suits = !chosen.version_is_local
            || self.version.as_ref().map(ToString::to_string) == chosen.version;
        let implementation_suits = !chosen.implementation_is_local
            || match (&chosen.implementation, &self.implementation.0) {
                (None, ours) => ours.is_none(),
                (Some(theirs), Some(ours)) => {
                    ours == theirs || self.implementation_text().as_ref() == Some(theirs)
                }
                (Some(_), None) => false,
            };
        version_suits && implementation_suits
    }

    fn same_choice(&self, other: &Self) -> bool {
        (&self.version, &self.implementation, &self.implementation_version)
            == (&other.version, &other.implementation, &other.implementation_version)
    }
}

/// The choice for every mediator among the actions an image takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mediators {
    chosen: BTreeMap<String, Option<Offer>>,
}

impl Mediators {
    /// Chooses among what is offered; what the administrator pinned in the image's settings wins.
    pub(crate) fn choose<'a>(
        config: &ImageConfig,
        actions: impl Iterator<Item = &'a Action>,
    ) -> Self {
        let mut offers: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for action in actions {
            if let Some(mediator) = action.get("mediator") {
                let offer = Offer::of(action);
                if seen.insert((mediator.to_owned(), offer.clone())) {
                    offers.entry(mediator.to_owned()).or_default().push(offer);
                }
            }
        }
        let chosen = offers
            .into_iter()
            .map(|(mediator, offers)| {
                let pinned = config.mediators.get(&mediator);
                let best = offers
                    .into_iter()
                    .filter(|offer| pinned.is_none_or(|pinned| offer.suits(pinned)))
                    .max();
                (mediator, best)
            })
            .collect();
        Self { chosen }
    }

    /// Whether an action is not mediated or is the one chosen.
    pub(crate) fn allow(&self, action: &Action) -> bool {
        let Some(mediator) = action.get("mediator") else { return true };
        match self.chosen.get(mediator) {
            Some(Some(chosen)) => chosen.same_choice(&Offer::of(action)),
            _ => false,
        }
    }

    /// What goes into the image's settings: the choices made, and what the administrator pinned.
    pub(crate) fn settings(&self, config: &ImageConfig) -> BTreeMap<String, Mediation> {
        let mut settings: BTreeMap<String, Mediation> = config
            .mediators
            .iter()
            .filter(|(_, m)| m.version_is_local || m.implementation_is_local)
            .map(|(name, mediation)| (name.clone(), mediation.clone()))
            .collect();
        for (mediator, offer) in &self.chosen {
            let Some(offer) = offer else { continue };
            let there = settings.entry(mediator.clone()).or_default();
            there.source = match offer.priority {
                Priority::None => "system",
                Priority::Vendor => "vendor",
                Priority::Site => "site",
            }
            .to_owned();
            if !there.version_is_local {
                there.version = offer.version.as_ref().map(ToString::to_string);
            }
            if !there.implementation_is_local {
                there.implementation = offer.implementation_text();
            }
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Variants;

    fn link(attributes: &str) -> Action {
        Action::parse(&format!("link path=a target=b mediator=m {attributes}")).unwrap()
    }

    fn config() -> ImageConfig {
        ImageConfig::new(Variants::for_zone("global"))
    }

    fn chosen(config: &ImageConfig, offers: &[&str]) -> Vec<usize> {
        let links: Vec<Action> = offers.iter().map(|offer| link(offer)).collect();
        let mediators = Mediators::choose(config, links.iter());
        (0..links.len()).filter(|&at| mediators.allow(&links[at])).collect()
    }

    #[test]
    fn priority_then_version_then_implementation() {
        let config = config();
        assert_eq!(chosen(&config, &["mediator-version=1.9", "mediator-version=1.10"]), [1]);
        assert_eq!(
            chosen(&config, &["mediator-version=1 mediator-priority=vendor", "mediator-version=2"]),
            [0]
        );
        assert_eq!(
            chosen(
                &config,
                &[
                    "mediator-version=1 mediator-priority=vendor",
                    "mediator-version=1 mediator-priority=site mediator-implementation=x"
                ]
            ),
            [1]
        );
        let names = ["mediator-implementation=vim", "mediator-implementation=emacs"];
        assert_eq!(chosen(&config, &names), [1]);
        let versions = ["mediator-implementation=x@1.9", "mediator-implementation=x@1.10"];
        assert_eq!(chosen(&config, &versions), [1]);
    }

    #[test]
    fn the_administrator_decides() {
        let mut config = config();
        let pinned = Mediation {
            version: Some("1.9".into()),
            version_is_local: true,
            ..Mediation::default()
        };
        config.mediators.insert("m".into(), pinned.clone());
        assert_eq!(chosen(&config, &["mediator-version=1.9", "mediator-version=1.10"]), [0]);
        assert_eq!(chosen(&config, &["mediator-version=1.10"]), [0; 0]);
        let mediators = Mediators::choose(&config, [link("mediator-version=1.9")].iter());
        let settings = mediators.settings(&config);
        assert_eq!(settings["m"].version.as_deref(), Some("1.9"));
        assert!(settings["m"].version_is_local);
    }
}
