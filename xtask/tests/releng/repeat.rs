//! The same inputs give the same bytes.

use std::fs;

use crate::common::{digests, key, run, sample, xtask_with_umask};

#[test]
fn another_place_umask_time_zone_and_number_of_jobs_change_no_byte() {
    let first = sample();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("another place");
    let mut command = xtask_with_umask("022");
    command.arg("releng").arg("--out").arg(&out).arg("--key").arg(key(directory.path(), 7));
    command.args(["--jobs", "1", "--progress", "json"]).env("TZ", "Pacific/Kiritimati");
    let outcome = run(command.current_dir(directory.path()));
    outcome.expect(0, &[]);
    // Every event is an object of a known form, and nothing else is said.
    let events: Vec<serde_json::Value> =
        outcome.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (notices, events): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|event| event["event"] == "notice");
    assert!(notices.iter().any(|notice| notice["text"].as_str().unwrap().contains("SAMPLE")));
    let finished = events.iter().filter(|event| event["event"] == "finished").count();
    assert_eq!(events.len(), 2 * finished, "{}", outcome.err);
    assert!(events.iter().all(|event| event["v"] == 1 && event["job"].is_string()));

    let without_logs = |root: &std::path::Path| {
        let mut files = digests(root);
        files.retain(|name, _| !name.starts_with("logs/"));
        files
    };
    let (once, again) = (without_logs(&first.out), without_logs(&out));
    let differ: Vec<&String> = once
        .keys()
        .chain(again.keys())
        .filter(|name| once.get(*name) != again.get(*name))
        .collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert!(once.len() > 20);
    // Neither the place nor the time zone is in what is said of the images.
    let summary = fs::read_to_string(out.join("summary.json")).unwrap();
    assert!(!summary.contains("another place"));
}
