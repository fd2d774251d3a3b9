//! The help of every command, as people read it.

#![expect(clippy::unwrap_used, reason = "a test that cannot run its program shall fail")]

use std::process::Command;

fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(words)
        .arg("--help")
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        // Flags that variables give show the value.
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Lines that end in blanks differ from what editors leave.
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        // Deeper lines continue the one above.
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect()
}

/// Takes a snapshot of a command's help and of those below it.
fn snapshots(words: &[&str]) {
    let text = help(words);
    let name = if words.is_empty() { "xtask".to_owned() } else { words.join("-") };
    insta::assert_snapshot!(name, text);
    for command in commands(&text) {
        snapshots(&[words, &[command]].concat());
    }
}

#[test]
fn every_command_explains_itself() {
    snapshots(&[]);
}
