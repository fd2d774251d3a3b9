//! What ELF files need.

use std::collections::{BTreeMap, BTreeSet};

use elf::Elf;

use crate::need::{Need, Wanted};

/// What stands for the directories that are searched anyway, in a run path that is given.
const DEFAULT: &str = "$PKGDEPEND_RUNPATH";
/// `EM_X86_64`, `EM_SPARCV9`, `EM_AARCH64`.
const AMD64: u16 = 62;
const SPARCV9: u16 = 43;
const AARCH64: u16 = 183;

/// The needs of an ELF file that will be at `path`, and what is wrong. `tokens` are values of
/// tokens in run paths, by their names without `$`; `run_path` replaces the file's own.
pub(crate) fn needs(
    elf: &Elf,
    path: &str,
    tokens: &BTreeMap<String, Vec<String>>,
    run_path: Option<&[String]>,
) -> (Vec<Need>, Vec<String>) {
    let mut problems = Vec::new();
    let mut directories = elf.run_path.clone();
    let module = module_directories(path, tokens);
    if let Some(module) = &module {
        if directories.iter().any(|directory| !is_compilers(directory)) {
            let run_path = directories.join(":");
            problems.push(format!("a kernel module must have no run path; it has {run_path}"));
        }
        directories.extend(module.iter().cloned());
    } else {
        for directory in ["/lib", "/usr/lib"] {
            let wide = elf.class.wide && elf.class.machine != AARCH64;
            let directory = if wide { format!("{directory}/64") } else { directory.to_owned() };
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
    }
    if let Some(given) = run_path {
        let own = std::mem::take(&mut directories);
        for directory in given {
            if directory == DEFAULT {
                directories.extend(own.iter().cloned());
            } else {
                directories.push(directory.clone());
            }
        }
    }
    let origin = format!("/{}", path.rsplit_once('/').map_or("", |(directory, _)| directory));
    let mut expanded = Vec::new();
    for directory in &directories {
        match expand(directory, &origin, tokens) {
            Ok(directories) => expanded.extend(directories),
            Err(token) => problems.push(format!(
                "{token} in the run path {directory} has no value; give it one (-D {}=VALUE)",
                token.trim_start_matches('$')
            )),
        }
    }
    let below = match (&module, elf.class.wide, elf.class.machine) {
        (Some(_), true, AMD64) => Some("amd64"),
        (Some(_), true, SPARCV9) => Some("sparcv9"),
        (Some(_), true, AARCH64) => Some("aarch64"),
        _ => None,
    };
    let names = elf.needed.iter().chain(&elf.filters).chain(&elf.symbol_filters);
    let needs = names.collect::<BTreeSet<_>>().into_iter().map(|name| {
        let (prefix, file) = name.rsplit_once('/').unwrap_or(("", name));
        let place = |directory: &String| {
            // A name with `/` at the front is a whole path.
            let directory = if name.starts_with('/') { "" } else { &directory[..] };
            let parts = [directory, prefix, below.unwrap_or("")];
            let parts = parts.iter().flat_map(|part| part.split('/'));
            parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
        };
        let directories = expanded.iter().map(place).filter(|directory| !directory.is_empty());
        let wanted = Wanted::In { file: file.to_owned(), directories: directories.collect() };
        Need { kind: "elf", wanted }
    });
    (needs.collect(), problems)
}

/// Where the kernel looks for modules that the one at `path` needs; none if it is no module.
fn module_directories(path: &str, tokens: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    let components: Vec<&str> = path.split('/').collect();
    let mut directories = match components[..] {
        ["kernel", ..] | ["usr", "kernel", ..] => tokens
            .get("PLATFORM")
            .into_iter()
            .flatten()
            .map(|platform| format!("/platform/{platform}/kernel"))
            .collect(),
        ["platform", platform, "kernel", ..] => vec![format!("/platform/{platform}/kernel")],
        _ => return None,
    };
    directories.extend(["/kernel".to_owned(), "/usr/kernel".to_owned()]);
    Some(directories)
}

/// Compilers put the directory of their own libraries into everything, modules as well.
fn is_compilers(directory: &str) -> bool {
    let version = directory.strip_prefix("/usr/gcc/").and_then(|rest| rest.strip_suffix("/lib"));
    version.is_some_and(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
}

/// Replaces the tokens of a directory by each of their values; an error is the token without any.
fn expand(
    directory: &str,
    origin: &str,
    tokens: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>, String> {
    let Some((before, rest)) = directory.split_once('$') else {
        return Ok(vec![directory.to_owned()]);
    };
    let (token, after) = match rest.find('/') {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let name = token.trim_start_matches('{').trim_end_matches('}');
    let origin = [origin.to_owned()];
    let values = match name {
        "ORIGIN" => &origin[..],
        _ => tokens.get(name).ok_or_else(|| format!("${name}"))?,
    };
    let mut expanded = Vec::new();
    for rest in expand(after, &origin[0], tokens)? {
        expanded.extend(values.iter().map(|value| format!("{before}{value}{rest}")));
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use elf::Class;

    use super::*;

    fn file(wide: bool, run_path: &[&str], needed: &[&str]) -> Elf {
        let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Elf {
            class: Class { wide, machine: if wide { AMD64 } else { 3 } },
            interpreter: None,
            needed: list(needed),
            symbol_filters: Vec::new(),
            filters: Vec::new(),
            auxiliaries: Vec::new(),
            run_path: list(run_path),
            no_default: false,
        }
    }

    fn directories(elf: &Elf, path: &str, run_path: Option<&[&str]>) -> Vec<String> {
        let tokens = BTreeMap::from([(
            "PLATFORM".to_owned(),
            vec!["i86pc".to_owned(), "i86xpv".to_owned()],
        )]);
        let run_path: Option<Vec<String>> =
            run_path.map(|list| list.iter().map(|&text| text.to_owned()).collect());
        let (needs, problems) = needs(elf, path, &tokens, run_path.as_deref());
        let directories = needs.iter().flat_map(|need| need.paths());
        directories.chain(problems).collect()
    }

    #[test]
    fn where_libraries_are_looked_for() {
        for (elf, path, run_path, expected) in [
            (file(true, &[], &["l"]), "usr/bin/x", None, vec!["lib/64/l", "usr/lib/64/l"]),
            (file(false, &[], &["l"]), "usr/bin/x", None, vec!["lib/l", "usr/lib/l"]),
            (
                file(false, &["$ORIGIN/../lib"], &["l"]),
                "opt/a/bin/x",
                None,
                vec!["lib/l", "opt/a/bin/../lib/l", "usr/lib/l"],
            ),
            (
                file(false, &["/p/$PLATFORM/lib"], &["l"]),
                "x",
                None,
                vec!["lib/l", "p/i86pc/lib/l", "p/i86xpv/lib/l", "usr/lib/l"],
            ),
            (file(false, &["/own"], &["l"]), "x", Some(vec!["/given"]), vec!["given/l"]),
            (
                file(false, &["/own"], &["l"]),
                "x",
                Some(vec!["/given", DEFAULT]),
                vec!["given/l", "lib/l", "own/l", "usr/lib/l"],
            ),
            (
                file(true, &[], &["misc/tem"]),
                "kernel/drv/amd64/x",
                None,
                vec![
                    "kernel/misc/amd64/tem",
                    "platform/i86pc/kernel/misc/amd64/tem",
                    "platform/i86xpv/kernel/misc/amd64/tem",
                    "usr/kernel/misc/amd64/tem",
                ],
            ),
            (
                file(false, &[], &["fs/x"]),
                "platform/i86pc/kernel/drv/x",
                None,
                vec!["kernel/fs/x", "platform/i86pc/kernel/fs/x", "usr/kernel/fs/x"],
            ),
            (file(false, &[], &["/opt/l"]), "x", None, vec!["opt/l"]),
        ] {
            let run_path = run_path.as_deref();
            assert_eq!(directories(&elf, path, run_path), expected, "{path}");
        }
    }

    #[test]
    fn tokens_and_run_paths_that_cannot_be() {
        let found = directories(&file(false, &["/$ISALIST/lib"], &["l"]), "x", None);
        assert!(found[2].contains("$ISALIST in the run path /$ISALIST/lib"), "{found:?}");
        let found = directories(&file(false, &["/opt"], &["l"]), "kernel/x", None);
        assert!(found.iter().any(|text| text.contains("must have no run path")), "{found:?}");
        let found = directories(&file(false, &["/usr/gcc/14/lib"], &["l"]), "kernel/x", None);
        assert!(!found.iter().any(|text| text.contains("must")), "{found:?}");
    }
}
