//! Choosing versions, through the public face.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod dependencies;
mod refused;
mod replaced;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod versions;

use ips::{Image, solve};
use support::{Depot, names};

/// Publishes packages of which only dependencies matter: `NAME@VERSION`, then one dependency a
/// line as `TYPE FMRI [PREDICATE]`, or another action.
fn depot(packages: &[(&str, &[&str])]) -> Depot {
    let mut depot = Depot::new();
    for (fmri, lines) in packages {
        let text: String = lines
            .iter()
            .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
                ["set", ..] => format!("{line}\n"),
                ["require-any" | "group-any", ..] => {
                    let mut words = line.split(' ');
                    let kind = words.next().unwrap();
                    let fmris: String = words.map(|fmri| format!(" fmri={fmri}")).collect();
                    format!("depend type={kind}{fmris}\n")
                }
                [.., last] if last.contains('=') => format!("depend {line}\n"),
                [kind, fmri] => format!("depend type={kind} fmri={fmri}\n"),
                [kind, fmri, predicate] => {
                    format!("depend type={kind} fmri={fmri} predicate={predicate}\n")
                }
                _ => unreachable!(),
            })
            .collect();
        depot.add(fmri, &text);
    }
    depot
}

fn chosen(packages: &[(&str, &[&str])], request: &[&str]) -> Result<Vec<String>, String> {
    let depot = depot(packages);
    let image = Image::read(&depot.image()).unwrap();
    let solution = solve(&image, &depot.origins(), &names(request));
    solution.map(|chosen| short(&chosen)).map_err(|error| error.to_string())
}

fn short(chosen: &[ips::Chosen]) -> Vec<String> {
    let name = |chosen: &ips::Chosen| {
        let version = chosen.fmri.version.as_ref().unwrap().release.to_string();
        format!("{}@{version}", chosen.fmri.stem)
    };
    chosen.iter().map(name).collect()
}
