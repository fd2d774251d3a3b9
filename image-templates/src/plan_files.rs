//! The files that a plan is made from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::step::Source;
use crate::{Plan, Step};

impl Plan {
    /// The files of which anything comes into this plan: the template, its includes as far as
    /// their steps run, and the files that steps take from beside them or from external trees.
    /// Each by a name that does not depend on where the template root is; what other stages make
    /// is left out.
    pub fn files(&self) -> BTreeMap<String, PathBuf> {
        let mut files = vec![self.template.to_path_buf()];
        for planned in &self.steps {
            files.push(planned.origin.file.to_path_buf());
            if let Step::EnsureFile { source, .. } = &planned.step {
                match source {
                    Source::Template(path) => files.push(path.clone()),
                    Source::External(name) if !self.search.is_promised(name) => {
                        files.extend(self.search.external_source(name));
                    }
                    _ => {}
                }
            }
        }
        files.into_iter().map(|path| (self.search.name_of(&path), path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{Features, Search, load};

    #[test]
    fn what_is_read_is_named_wherever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for place in ["root/sled/include", "root/sled/files", "ext"] {
            fs::create_dir_all(at(place)).unwrap();
        }
        let file = |source: &str, guard: &str| {
            format!(
                r#"{{ "t": "ensure_file", "file": "/f", {source}, {guard} "owner": "root",
                "group": "sys", "mode": "0644" }}"#
            )
        };
        let steps = [
            r#"{ "t": "include", "name": "more" }"#.to_owned(),
            r#"{ "t": "include", "name": "off", "with": "never" }"#.to_owned(),
            file(r#""src": "motd""#, ""),
            file(r#""src": "unused""#, r#""with": "never","#),
            file(r#""extsrc": "here""#, ""),
            file(r#""extsrc": "later""#, ""),
        ];
        let main = format!(r#"{{ "steps": [ {} ] }}"#, steps.join(","));
        fs::write(at("root/sled/main.json"), main).unwrap();
        let more = format!(r#"{{ "steps": [ {} ] }}"#, file(r#""contents": "x""#, ""));
        fs::write(at("root/sled/include/more.json"), more).unwrap();
        for name in ["root/sled/files/motd", "ext/here", "ext/later"] {
            fs::write(at(name), "").unwrap();
        }
        let search = Search::new(at("root"), "sled").external(at("ext")).promise("later");
        let plan = load(&search, "main", &Features::default()).unwrap();
        let names: Vec<String> = plan.files().into_keys().collect();
        let expected =
            ["extsrc/here", "sled/files/motd", "sled/include/more.json", "sled/main.json"];
        assert_eq!(names, expected);
    }
}
