//! Installations through the hook program, from a generated system.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{Archive, Result, System, assert_exit, is_root, list, text};

/// The published brand's decision, restated: a link, or a copy.
fn is_link(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let absolute = format!("/{path}");
    name.contains(".so")
        || ["usr/bin", "usr/libexec", "usr/share/man", "usr/share/locale", "sbin"]
            .iter()
            .any(|part| absolute.contains(part))
}

#[test]
fn the_zone_root_is_the_published_one_with_metadata_kept() -> Result {
    let system = System::generate()?;
    let layer = system.place().join("a.tar.gz");
    Archive::layer()
        .directory("root", 0o755)
        .directory("root/opt", 0o755)
        .directory("root/opt/x", 0o700)
        .file("root/opt/x/run", 0o4755, b"run")
        .hardlink("root/opt/x/again", "root/opt/x/run")
        .symlink("root/opt/x/link", "/etc/passwd")
        .file("root/usr/lib/dtrace/io.d", 0o600, b"replaced")
        .write(&layer)?;
    let second = system.place().join("b.tar.gz");
    Archive::layer().file("root/opt/x/link", 0o644, b"the later layer wins").write(&second)?;

    let output = system.install(&[layer, second])?;
    assert_exit(&output, 0, "");
    assert_eq!(system.left()?, ["root"]);
    let made = list(&system.zone_root())?;
    let source = list(&system.root())?;

    // what the replication must have left of the three trees
    let gone = ["usr/sbin/zoneadm", "lib/only.global", "lib/svc/manifest/system"];
    let replaced = ["usr/lib/dtrace/io.d", "lib/svc/manifest"];
    // the baseline brings two directories as its own, and the layer has put a file into a third
    let touched = ["lib", "lib/svc", "usr/lib/dtrace"];
    let mut expected = 0;
    for (path, entry) in &source {
        let tree = path.split('/').next().unwrap_or_default();
        if !["usr", "lib", "sbin"].contains(&tree) || replaced.contains(&path.as_str()) {
            continue;
        }
        if gone.iter().any(|gone| path.starts_with(gone)) {
            assert!(!made.contains_key(path), "{path}");
            continue;
        }
        expected += 1;
        let Some(found) = made.get(path) else { panic!("{path} is missing") };
        if entry.kind.starts_with("file") && is_link(path) {
            let up = "../".repeat(path.matches('/').count());
            assert_eq!(found.kind, format!("link {up}system/{path}"), "{path}");
            continue;
        }
        assert_eq!(found.kind, entry.kind, "{path}");
        if !touched.contains(&path.as_str()) {
            assert_eq!(found.time, entry.time, "{path}");
            assert_eq!(found.mode, entry.mode, "{path}");
            if is_root() {
                assert_eq!(found.owner, entry.owner, "{path}");
            }
        }
    }
    assert!(expected > 330, "{expected}");
    let ours = |path: &&String| {
        ["usr", "lib", "sbin"].contains(&path.split('/').next().unwrap_or_default())
    };
    // and the two that the baseline and the layer brought
    assert_eq!(made.keys().filter(ours).count(), expected + replaced.len() + 1);

    // hard links among copies stay; the one that a rule made a link, and the replaced one, do not
    assert_eq!(made["usr/lib/dtrace/net.d"].inode, made["usr/lib/alias.d"].inode);
    assert_eq!(made["usr/lib/alias.d"].links, 2);
    assert_eq!(made["usr/lib/dtrace/io.d"].links, 1);
    assert_eq!(made["usr/lib/linked.so"].kind, "link ../../system/usr/lib/linked.so");

    assert_eq!(made[""].mode, 0o755);
    assert_eq!(made["opt/x/run"].mode, 0o4755);
    assert_eq!(made["opt/x/run"].inode, made["opt/x/again"].inode);
    assert_eq!(fs::read_to_string(system.zone_root().join("opt/x/link"))?, "the later layer wins");
    assert_eq!(made["etc/shadow"].mode, 0o400);
    assert_eq!(made["etc/default/init"].kind, source["etc/default/init"].kind);
    assert_eq!(made["etc/default/init"].mode, 0o640);
    assert!(made.contains_key("lib/svc/manifest/zone.xml"));
    assert!(!made.contains_key("ignored") && !made.contains_key("oxide.json"));
    if is_root() {
        assert_eq!(made[""].owner, (0, 0));
        assert_eq!(made["opt/x/run"].owner, (0, verifiers::mapped(3)));
    }
    Ok(())
}

#[test]
fn each_step_is_told() -> Result {
    let system = System::generate()?;
    let layer = system.place().join("a.tar.gz");
    Archive::layer().write(&layer)?;
    let output = system.install(&[layer])?;
    assert_exit(&output, 0, "");
    let zonepath = system.zonepath().display().to_string();
    let told: Vec<String> = text(&output.stdout)
        .replace(&zonepath, "ZONEPATH")
        .replace(&system.place().display().to_string(), "PLACE")
        .lines()
        .filter(|line| !line.contains("owners are not set"))
        .map(|line| match line.rsplit_once(", ") {
            Some((rest, time)) if time.ends_with(" msec") => format!("{rest}, N msec"),
            _ => line.to_owned(),
        })
        .collect();
    assert_eq!(told[0], "INFO: omicron: installing zone ntp @ \"ZONEPATH\"...");
    assert_eq!(told[1], "INFO: omicron: planned 354 paths, N msec");
    assert_eq!(told[2], "INFO: omicron: replicating /usr tree...");
    assert!(told[3].starts_with("INFO: omicron: replicated /usr: 31"), "{}", told[3]);
    assert!(told[3].ends_with(" bytes, N msec"));
    assert_eq!(
        told[8..],
        [
            "INFO: omicron: pruning SMF manifests...",
            "INFO: omicron: pruning global-only files...",
            "INFO: omicron: pruned 2 files, N msec",
            "INFO: omicron: unpacking baseline archive...",
            "INFO: omicron: unpacked 13 members, 45 bytes, N msec",
            "INFO: omicron: unpacking image \"PLACE/a.tar.gz\"...",
            "INFO: omicron: unpacked 0 members, 0 bytes, N msec",
            "INFO: omicron: copying /etc/default/init...",
            "INFO: omicron: install complete, N msec",
        ]
    );
    assert_eq!(text(&output.stderr), "");

    let log = fs::read_to_string(system.root().join("var/log/omicron-brand.log"))?;
    assert!(log.contains("] [\"-z\", \"ntp\", \"-R\", "), "{log}");
    Ok(())
}

#[test]
fn programs_read_phases_and_plan_as_json() -> Result {
    let system = System::generate()?;
    let layer = system.place().join("a.tar.gz");
    Archive::layer().file("root/opt/x", 0o644, b"12345").write(&layer)?;
    let output = system.brand().args(["install", "--json"]).arg(&layer).output()?;
    assert_exit(&output, 0, "INFO: omicron: install complete, ");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let phases = report["phases"].as_array().ok_or("no phases")?;
    let told: Vec<String> = phases
        .iter()
        .map(|phase| format!("{} {}", phase["name"], phase["subject"]).replace('"', ""))
        .collect();
    let place = system.place().display().to_string();
    assert_eq!(
        told.iter().map(|line| line.replace(&place, "PLACE")).collect::<Vec<_>>(),
        [
            "plan null",
            "replicate /usr",
            "replicate /lib",
            "replicate /sbin",
            "prune null",
            "baseline PLACE/system/usr/lib/brand/omicron1/baseline/files.tar.gz",
            "layer PLACE/a.tar.gz",
            "init null",
            "finish null",
        ]
    );
    assert!(phases.iter().all(|phase| phase["milliseconds"].is_u64()));
    assert_eq!((&phases[6]["paths"], &phases[6]["bytes"]), (&1.into(), &5.into()));
    assert_eq!(phases[1]["replicated"]["hard_links"], 2);
    assert_eq!(report["owners_set"], is_root());

    let output = system.brand().args(["--json", "plan"]).output()?;
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let paths = plan["paths"].as_array().ok_or("no paths")?;
    let ls = paths.iter().find(|path| path["path"] == "/usr/bin/ls").ok_or("no ls")?;
    assert_eq!(ls["rule"], "**usr/bin**");
    let regular = paths.iter().filter(|path| path["rule"].is_string()).count();
    let rules = plan["rules"].as_array().ok_or("no rules")?;
    let decided: u64 = rules.iter().filter_map(|rule| rule["files"].as_u64()).sum();
    assert_eq!(decided, regular as u64);
    // what install refuses is no JSON
    let output = system.brand().args(["install", "--json"]).output()?;
    assert_exit(&output, 255, "uninstall the zone first");
    assert!(output.stdout.is_empty());
    Ok(())
}

/// Who is not root cannot set owners; the plan has them all the same.
#[test]
fn the_plan_has_owners_whoever_makes_it() -> Result {
    let system = System::generate()?;
    let output = system.brand().args(["--json", "plan"]).output()?;
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let source = list(&system.root())?;
    let mut compared = 0;
    for path in plan["paths"].as_array().ok_or("no paths")? {
        let Some(owner) = path["owner"].as_array() else { continue };
        let name = path["path"].as_str().ok_or("no path")?.trim_start_matches('/');
        let (uid, gid) = source[name].owner;
        assert_eq!(*owner, [serde_json::json!(uid), serde_json::json!(gid)], "{name}");
        compared += 1;
    }
    assert!(compared > 330, "{compared}");
    Ok(())
}

#[test]
fn owners_are_really_set_in_a_user_namespace() {
    verifiers::in_user_namespace("the_zone_root_is_the_published_one_with_metadata_kept");
}

#[test]
fn threads_batches_and_umask_do_not_matter() -> Result {
    let system = System::generate()?;
    let mut trees = Vec::new();
    for (settings, umask) in [
        ("COPY_THREADS=1\nCOPY_BATCH=1", "0"),
        ("COPY_THREADS=9\nCOPY_BATCH=7\n", "077"),
        ("", "777"),
    ] {
        fs::write(system.root().join("etc/default/helios-omicron1"), settings)?;
        let command = system.brand();
        let mut words: Vec<_> = vec![command.get_program()];
        words.extend(command.get_args());
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("umask {umask} && exec \"$@\" install"), "sh"])
            .args(words)
            .output()?;
        assert_exit(&output, 0, "");
        let tree: Vec<_> = list(&system.zone_root())?
            .into_iter()
            .map(|(path, entry)| (path, entry.comparable()))
            .collect();
        trees.push(tree);
        assert_exit(&system.brand().arg("uninstall").output()?, 0, "");
    }
    assert_eq!(trees[0], trees[1]);
    assert_eq!(trees[0], trees[2]);
    Ok(())
}

#[test]
fn the_plan_is_what_happens() -> Result {
    let system = System::generate()?;
    let output = system.brand().arg("plan").output()?;
    assert_exit(&output, 0, "");
    let plan = text(&output.stdout);
    for line in [
        "link /usr/bin/su\t../../system/usr/bin/su\tby **usr/bin**\n",
        "same /usr/adm\t../var/adm\n",
        "hard /usr/lib/dtrace/io.d\t/usr/lib/alias.d\tby **\n",
        "link /usr/share/doc/notes.source\t../../../system/usr/share/doc/notes.source\tby **/*.so*\n",
    ] {
        assert!(plan.contains(line), "{line:?} is not in {plan}");
    }
    assert!(plan.contains("make /usr/tmp\tmode 1777, owner "));
    assert!(plan.starts_with("# rule 1: link **/*.so*\t"), "{plan}");
    assert!(plan.contains("\n# rule 7: copy **\t"));
    let paths = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.split(['\t', ' ']).nth(1)?.to_owned())).collect()
    };
    let source: Vec<String> = list(&system.root())?
        .into_keys()
        .filter(|path| ["usr", "lib", "sbin"].contains(&path.split('/').next().unwrap_or_default()))
        .map(|path| format!("/{path}"))
        .collect();
    let mut planned = paths(&plan);
    planned.sort();
    assert_eq!(planned, source);
    assert_eq!(system.left()?, [""; 0]);
    Ok(())
}

#[test]
fn a_file_is_nobody_elses_to_read_before_it_is_finished() -> Result {
    // the stage cannot be entered by others, so look at its mode while it is there
    let system = System::generate()?;
    fs::set_permissions(system.zonepath(), PermissionsExt::from_mode(0o755))?;
    let mut seen = 0;
    for _ in 0..20 {
        let mut child =
            system.brand().arg("install").stdout(std::process::Stdio::null()).spawn()?;
        while child.try_wait()?.is_none() {
            for name in system.left()? {
                if let Ok(metadata) = fs::metadata(system.zonepath().join(&name))
                    && name.starts_with("root.installing-")
                {
                    let mode = metadata.permissions().mode() & 0o7777;
                    // the last step before the new name opens it
                    assert!(mode == 0o700 || mode == 0o755, "{mode:o}");
                    seen += usize::from(mode == 0o700);
                }
            }
        }
        assert_exit(&system.brand().arg("uninstall").output()?, 0, "");
        if seen > 0 {
            return Ok(());
        }
    }
    Err("the stage was never seen".into())
}
