//! What is signed.

use ips::{Action, ActionKind, Attributes, Manifest};

/// The text that a signature of a manifest is over.
pub(crate) fn signed_text(manifest: &Manifest, signature: &Action) -> String {
    let mut lines: Vec<String> =
        manifest.actions().filter_map(|action| line(action, signature)).collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn line(action: &Action, signature: &Action) -> Option<String> {
    let mut action = action.clone();
    if action.kind == ActionKind::Signature {
        if action != *signature {
            return None;
        }
        action.attributes.set("value", "");
    }
    let mut sorted = Attributes::new();
    for (key, values) in action.attributes.iter() {
        let mut values = values.to_vec();
        values.sort_unstable();
        sorted.set_list(key, values);
    }
    action.attributes = sorted;
    Some(action.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_lists_are_sorted_and_other_signatures_left_out() {
        let text = "set name=pkg.fmri value=pkg://p/a@1\n\
                    dir path=b mode=0755 owner=root group=sys\n\
                    set name=x value=2 value=\"1 a\"\n\
                    signature ab algorithm=rsa-sha256 value=00 version=0\n\
                    signature cd algorithm=rsa-sha256 value=11 version=0\n";
        let manifest = Manifest::parse("test", text).unwrap();
        let signatures: Vec<&Action> = manifest.of_kind(ActionKind::Signature).collect();
        assert_eq!(
            signed_text(&manifest, signatures[1]),
            "dir group=sys mode=0755 owner=root path=b\n\
             set name=pkg.fmri value=pkg://p/a@1\n\
             set name=x value=\"1 a\" value=2\n\
             signature cd algorithm=rsa-sha256 value=\"\" version=0"
        );
    }
}
