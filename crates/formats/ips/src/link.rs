//! Where links lead, among paths as actions have them.

/// A path without `.`, `..` and empty components.
///
/// ```
/// assert_eq!(ips::normal_path("/usr/./lib//../bin"), "usr/bin");
/// ```
pub fn normal_path(path: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            other => components.push(other),
        }
    }
    components.join("/")
}

/// The path that a link at `path` leads to; absolute targets are below the root as well.
///
/// ```
/// assert_eq!(ips::link_target("usr/lib/64", "amd64"), "usr/lib/amd64");
/// assert_eq!(ips::link_target("usr/bin/vi", "/etc/../opt/vi"), "opt/vi");
/// ```
pub fn link_target(path: &str, target: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, _)) if !target.starts_with('/') => {
            normal_path(&format!("{directory}/{target}"))
        }
        _ => normal_path(target),
    }
}
