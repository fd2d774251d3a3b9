//! Which features are enabled, and how often each is in use.

use super::Mos;
use super::objects::{Objects, terminated};
use crate::Feature;
use crate::block_pointer::BIRTH;
use crate::dnode::METADATA_ZAP;
use crate::options::Version;
use crate::zap::{Entry, Value};

impl Mos<'_> {
    /// The tables of features, by their names in the object directory: how often each enabled
    /// feature is in use, and what it is.
    pub(super) fn feature_tables(&self, objects: &mut Objects) -> Vec<(&'static str, u64)> {
        if self.options.version < Version::V5000 {
            return Vec::new();
        }
        let features: Vec<(Feature, String)> =
            self.options.features.iter().map(|f| (*f, f.identifier())).collect();
        let mut table = |name, choose: &dyn Fn(Feature) -> Option<u64>| {
            let entries: Vec<_> = features
                .iter()
                .filter_map(|(feature, id)| Some(Entry::number(id, choose(*feature)?)))
                .collect();
            (name, objects.add_zap(METADATA_ZAP, &entries))
        };
        let uses = |feature| self.uses(feature);
        let read = |f: Feature| (!f.is_read_only_compatible()).then(|| uses(f));
        let write = |f: Feature| f.is_read_only_compatible().then(|| uses(f));
        let mut tables =
            vec![table("features_for_read", &read), table("features_for_write", &write)];
        if self.options.has(Feature::EnabledTxg) {
            tables.push(table("feature_enabled_txg", &|_| Some(BIRTH)));
        }
        let descriptions: Vec<_> =
            features.iter().map(|(f, id)| (id, terminated(f.description()))).collect();
        let descriptions: Vec<_> = descriptions
            .iter()
            .map(|(id, text)| Entry { name: id.as_bytes(), value: Value::Bytes(text) })
            .collect();
        tables.push(("feature_descriptions", objects.add_zap(METADATA_ZAP, &descriptions)));
        tables
    }

    /// Identifiers of the features that labels name.
    pub(crate) fn label_features(&self) -> Vec<String> {
        let features = self.options.features.iter();
        features
            .filter(|feature| feature.is_in_label() && self.uses(**feature) > 0)
            .map(|feature| feature.identifier())
            .collect()
    }

    /// How often a feature is in use.
    fn uses(&self, feature: Feature) -> u64 {
        let in_datasets = || {
            let snapshots = |index: usize| match index.checked_sub(1) {
                Some(index) => u64::from(self.options.datasets[index].snapshot.is_some()),
                None => 0,
            };
            let large = self.datasets.iter().enumerate().filter(|(_, root)| root.large_blocks);
            large.map(|(index, _)| 1 + snapshots(index)).sum()
        };
        match feature {
            Feature::EnabledTxg => 1,
            Feature::LargeBlocks | Feature::ExtensibleDataset => in_datasets(),
            _ => feature.is_used_at_once().into(),
        }
    }
}
