//! What must hold of an action before it is published.

use proto::ProtoPath;

use crate::located::Located;
use crate::{Action, ActionKind, Error, Fmri, Timestamp};

/// Kinds of dependencies.
const DEPEND_TYPES: [&str; 10] = [
    "require",
    "require-any",
    "optional",
    "conditional",
    "incorporate",
    "group",
    "group-any",
    "exclude",
    "origin",
    "parent",
];

/// Ways to preserve an editable file.
const PRESERVE: [&str; 7] =
    ["true", "false", "renameold", "renamenew", "legacy", "abandon", "install-only"];

/// Checks one action.
pub(crate) fn validate(located: &Located) -> Result<(), Error> {
    check(&located.action).map_err(|problem| located.refuse(problem))
}

/// Checks what must hold of the whole package: an obsolete one delivers nothing, a renamed one
/// only points to another.
pub(crate) fn validate_package(actions: &[Located]) -> Result<(), Error> {
    let says = |name: &str| {
        actions.iter().find(|located| {
            let action = &located.action;
            action.kind == ActionKind::Set
                && action.get("name") == Some(name)
                && action.get("value") == Some("true")
        })
    };
    if says("pkg.obsolete").is_some() {
        for located in actions {
            if !matches!(located.action.kind, ActionKind::Set | ActionKind::Signature) {
                let kind = located.action.kind;
                return Err(located.refuse(format!("an obsolete package cannot have a {kind}")));
            }
        }
    } else if let Some(renamed) = says("pkg.renamed") {
        let kinds = [ActionKind::Set, ActionKind::Depend, ActionKind::Signature];
        for located in actions {
            if !kinds.contains(&located.action.kind) {
                let kind = located.action.kind;
                return Err(located.refuse(format!("a renamed package cannot have a {kind}")));
            }
        }
        let points = |located: &Located| {
            located.action.kind == ActionKind::Depend
                && located.action.get("type") == Some("require")
        };
        if !actions.iter().any(points) {
            return Err(renamed.refuse("a renamed package must require the one it became"));
        }
    }
    Ok(())
}

/// Checks one action. Says what is wrong.
pub(crate) fn check(action: &Action) -> Result<(), String> {
    let kind = action.kind;
    let required = |key: &str| {
        let values = action.attributes.list(key);
        match values {
            [value] => Ok(value.as_str()),
            [] => Err(format!("the {kind} action lacks {key}=")),
            _ => Err(format!("the {kind} action has more than one {key}=")),
        }
    };
    if kind.is_path() {
        let path = required("path")?;
        let path = ProtoPath::new(path).map_err(|error| error.to_string())?;
        if path.is_root() {
            return Err("the path is empty".to_owned());
        }
    }
    match kind {
        ActionKind::Set => {
            required("name")?;
            if action.attributes.list("value").is_empty() {
                return Err("the set action lacks value=".to_owned());
            }
        }
        ActionKind::Depend => check_depend(action, required("type")?)?,
        ActionKind::Dir | ActionKind::File => {
            required("owner")?;
            required("group")?;
            check_mode(required("mode")?)?;
            if let Some(time) = action.get("timestamp") {
                time.parse::<Timestamp>().map_err(|error| format!("timestamp: {error}"))?;
            }
            if let Some(preserve) = action.get("preserve")
                && !PRESERVE.contains(&preserve)
            {
                return Err(format!(
                    "preserve={preserve} is not known; expected one of {}",
                    PRESERVE.join(" ")
                ));
            }
            match action.get("overlay") {
                None | Some("allow" | "true") => {}
                Some(other) => {
                    return Err(format!("overlay={other} is not known; expected allow or true"));
                }
            }
        }
        ActionKind::Link | ActionKind::Hardlink => {
            if required("target")?.is_empty() {
                return Err(format!("the target of the {kind} is empty"));
            }
        }
        ActionKind::User => {
            required("username")?;
            required("group")?;
            check_id(action, "uid")?;
        }
        ActionKind::Group => {
            required("groupname")?;
            check_id(action, "gid")?;
        }
        ActionKind::Driver => {
            required("name")?;
        }
        ActionKind::License => {
            required("license")?;
        }
        ActionKind::Legacy => {
            required("pkg")?;
        }
        ActionKind::Signature => {}
    }
    Ok(())
}

fn check_mode(mode: &str) -> Result<(), String> {
    let octal = (3..=4).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if octal {
        Ok(())
    } else {
        Err(format!("mode={mode} is not a mode; three or four octal digits were expected"))
    }
}

fn check_id(action: &Action, key: &str) -> Result<(), String> {
    match action.get(key) {
        Some(id) if id.parse::<u32>().is_ok_and(|id| id <= i32::MAX as u32) => Ok(()),
        Some(id) => Err(format!("{key}={id} is not a number from 0 to {}", i32::MAX)),
        None => Ok(()),
    }
}

fn check_depend(action: &Action, kind: &str) -> Result<(), String> {
    if !DEPEND_TYPES.contains(&kind) {
        return Err(format!(
            "type={kind} is no kind of dependency; expected one of {}",
            DEPEND_TYPES.join(" ")
        ));
    }
    let fmris = action.attributes.list("fmri");
    if fmris.len() > 1 && !matches!(kind, "require-any" | "group-any") {
        return Err(format!("a dependency of type {kind} names one package, not {}", fmris.len()));
    }
    for fmri in fmris.iter().map(String::as_str).chain(action.get("predicate")) {
        if fmri == "__TBD" {
            return Err("the dependency __TBD is not resolved".to_owned());
        }
        // Firmware is named otherwise.
        let firmware = kind == "origin" && action.get("root-image").is_some();
        if !firmware || fmri.starts_with("pkg:") {
            Fmri::parse(fmri).map_err(|error| error.to_string())?;
        }
    }
    if kind == "conditional" && action.get("predicate").is_none() {
        return Err("a conditional dependency lacks predicate=".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn located(text: &str) -> Located {
        let action = Action::parse(text).unwrap();
        Located { file: Path::new("x.p5m").into(), line: 7, action }
    }

    #[test]
    fn good_actions() {
        for good in [
            "file path=a owner=root group=sys mode=0644",
            "dir path=a owner=root group=sys mode=755",
            "dir path=tmp owner=root group=sys mode=1777",
            "depend fmri=pkg:/a@1 type=require",
            "depend fmri=a fmri=b type=require-any",
            "depend fmri=a type=conditional predicate=b",
            "link path=a target=../x",
            "user username=a group=b uid=0",
        ] {
            assert!(validate(&located(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn bad_actions() {
        for (bad, problem) in [
            ("file path=a owner=root group=sys", "lacks mode="),
            ("file path=a owner=root group=sys mode=0888", "octal"),
            ("file path=a owner=root group=sys mode=07555", "octal"),
            ("dir path=../a owner=root group=sys mode=0755", "`..`"),
            ("dir path=a//b owner=root group=sys mode=0755", "empty component"),
            ("dir path=/ owner=root group=sys mode=0755", "empty"),
            ("dir path=a path=b owner=root group=sys mode=0755", "more than one path"),
            ("dir path=a group=sys mode=0755", "lacks owner="),
            ("link path=a", "lacks target="),
            ("link path=a target=\"\"", "is empty"),
            ("depend fmri=a type=requires", "no kind of dependency"),
            ("depend fmri=a fmri=b type=require", "names one package"),
            ("depend fmri=__TBD type=require", "not resolved"),
            ("depend fmri=a@x type=require", "version"),
            ("depend fmri=a type=conditional", "lacks predicate"),
            ("user username=a group=b uid=x", "uid=x"),
            ("group groupname=a gid=-1", "gid=-1"),
            ("set name=x y=z", "lacks value="),
            ("file path=a owner=a group=b mode=0644 preserve=yes", "preserve=yes"),
            ("file path=a owner=a group=b mode=0644 overlay=yes", "overlay=yes"),
            ("file path=a owner=a group=b mode=0644 timestamp=now", "timestamp"),
        ] {
            let error = validate(&located(bad)).unwrap_err().to_string();
            assert!(error.starts_with("x.p5m:7:1: ") && error.contains(problem), "{bad}: {error}");
        }
    }

    #[test]
    fn whole_packages() {
        let package =
            |lines: &[&str]| -> Vec<Located> { lines.iter().map(|l| located(l)).collect() };
        let renamed = "set name=pkg.renamed value=true";
        assert!(validate_package(&package(&[renamed, "depend fmri=a type=require"])).is_ok());
        assert!(validate_package(&package(&[renamed])).is_err());
        assert!(validate_package(&package(&[renamed, "dir path=a"])).is_err());
        let obsolete = "set name=pkg.obsolete value=true";
        assert!(validate_package(&package(&[obsolete, "set name=a value=b"])).is_ok());
        assert!(validate_package(&package(&[obsolete, "depend fmri=a type=require"])).is_err());
    }
}
