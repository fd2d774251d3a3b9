//! Installations that fail or are killed: nothing is left behind, and nothing outside is reached.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{Archive, Result, System, assert_exit, list, text};

/// Whatever fails, nothing is left, and zoneadm may go back to the configured state.
#[track_caller]
fn assert_refused(system: &System, layers: &[PathBuf], message: &str) -> Result {
    let before = list(system.place())?;
    let output = system.install(layers)?;
    assert_exit(&output, 254, message);
    let mut after = list(system.place())?;
    // the log has grown
    let mut before = before;
    for tree in [&mut before, &mut after] {
        tree.retain(|path, _| !path.starts_with("system/var/log"));
    }
    after.insert("zone".into(), before["zone"].clone());
    assert!(before == after, "the place has changed");
    Ok(())
}

/// Adds members to an archive; the text is a directory outside.
type Build = fn(&mut Archive, &str);

/// Members that no archive may have: a name for the case, what the refusal says, the members.
const HOSTILE: &[(&str, &str, Build)] = &[
    ("dotdot", "root/../../x", |a, _| {
        a.file("root/../../x", 0o644, b"x");
    }),
    ("dotdot in the middle", "..", |a, _| {
        a.file("root/opt/../../../x", 0o644, b"x");
    }),
    ("absolute", "/etc/x", |a, _| {
        a.file("/etc/x", 0o644, b"x");
    }),
    ("through a link", "root/opt/a/file", |a, outside| {
        a.symlink("root/opt/a", outside).file("root/opt/a/file", 0o644, b"x");
    }),
    ("through a relative link", "root/opt/a/x", |a, _| {
        a.symlink("root/opt/a", "../../..").file("root/opt/a/x", 0o644, b"x");
    }),
    ("through a link of the replica", "root/lib/64/x", |a, _| {
        a.file("root/lib/64/x", 0o644, b"x");
    }),
    ("directory over a link", "root/opt/a", |a, outside| {
        a.symlink("root/opt/a", outside).directory("root/opt/a", 0o777);
    }),
    ("hard link to outside", "root/opt/h", |a, outside| {
        a.hardlink("root/opt/h", &format!("{outside}/file"));
    }),
    ("hard link climbing out", "root/opt/h", |a, _| {
        a.hardlink("root/opt/h", "root/../../outside/file");
    }),
    ("hard link through a link", "root/opt/h", |a, outside| {
        a.symlink("root/opt/a", outside).hardlink("root/opt/h", "root/opt/a/file");
    }),
    ("hard link to nothing", "root/opt/h", |a, _| {
        a.hardlink("root/opt/h", "root/opt/no");
    }),
    ("character device", "root/dev/null", |a, _| {
        a.member(b"root/dev/null", b'3', b"", 0o666, b"");
    }),
    ("block device", "root/dev/sda", |a, _| {
        a.member(b"root/dev/sda", b'4', b"", 0o666, b"");
    }),
    ("pipe", "root/opt/p", |a, _| {
        a.member(b"root/opt/p", b'6', b"", 0o666, b"");
    }),
    ("unknown type", "root/opt/p", |a, _| {
        a.member(b"root/opt/p", b'Z', b"", 0o644, b"");
    }),
    ("file over a directory", "root/etc", |a, _| {
        a.file("root/etc", 0o644, b"x");
    }),
    ("directory over a file", "root/etc/shadow", |a, _| {
        a.directory("root/etc/shadow", 0o755);
    }),
    ("missing parent", "root/no/x", |a, _| {
        a.file("root/no/x", 0o644, b"x");
    }),
    ("the root itself as a link", "root", |a, outside| {
        a.symlink("root", outside);
    }),
    ("twice", "root/opt/x refused: the archive brought a file", |a, _| {
        a.file("root/opt/x", 0o644, b"1").file("root/opt/x", 0o644, b"2");
    }),
    ("not UTF-8", "its name is not UTF-8", |a, _| {
        a.member(b"root/opt/\xff", b'0', b"", 0o644, b"");
    }),
    ("name of 256 bytes", "longer than 255", |a, _| {
        a.long_name(&format!("root/{}", "n".repeat(256))).file("root/x", 0o644, b"x");
    }),
    ("path over 1023 bytes", "longer than", |a, _| {
        a.long_name(&format!("root/{}x", "d/".repeat(510))).file("root/x", 0o644, b"x");
    }),
    ("mode of another type", "root/opt/x", |a, _| {
        a.file("root/opt/x", 0o040_755, b"");
    }),
    ("absurd size", "root/opt/huge", |a, _| {
        a.sized("root/opt/huge", b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    }),
    ("negative size", "the size is negative", |a, _| {
        a.sized("root/opt/huge", &[0xff; 12]);
    }),
    ("metadata twice", "oxide.json", |a, _| {
        a.file("oxide.json", 0o444, b"{}");
    }),
];

#[test]
fn hostile_layers_and_baselines_leave_nothing_and_reach_nothing() -> Result {
    let system = System::generate()?;
    let outside = system.place().join("outside");
    let text = outside.to_str().ok_or("temporary directory")?;
    fs::create_dir(&outside)?;
    fs::write(outside.join("file"), "untouched")?;
    let good = fs::read(system.baseline("files.tar.gz"))?;
    for (name, message, build) in HOSTILE {
        let told = |error| format!("{name}: {error}");
        let mut layer = Archive::layer();
        build(&mut layer, text);
        let path = system.place().join(format!("{}.tar.gz", name.replace(' ', "-")));
        layer.write(&path)?;
        assert_refused(&system, &[path], message).map_err(told)?;

        let mut baseline = Archive::baseline();
        build(&mut baseline, text);
        baseline.write(&system.baseline("files.tar.gz"))?;
        assert_refused(&system, &[], message).map_err(told)?;
        fs::write(system.baseline("files.tar.gz"), &good)?;
    }
    assert_eq!(fs::read_to_string(outside.join("file"))?, "untouched");
    // the longest name there can be, and a whiteout of other formats, are files like any
    let layer = system.place().join("fits.tar.gz");
    let longest = format!("root/opt/{}", "n".repeat(255));
    Archive::layer()
        .long_name(&longest)
        .file("root/x", 0o644, b"x")
        .file("root/opt/.wh.etc", 0o644, b"")
        .write(&layer)?;
    assert_exit(&system.install(&[layer])?, 0, "");
    assert!(system.zone_root().join(&longest[5..]).is_file());
    assert!(system.zone_root().join("opt/.wh.etc").is_file());
    Ok(())
}

/// What zoneadm makes of the words behind `install`: getopt(3C) takes them apart by `installopts`
/// of `config.xml`, and each option is put together again without a blank before its value.
fn handed_on(words: &[&str]) -> Result<Vec<String>> {
    let config =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("files/config.xml"))?;
    let (_, rest) = config.split_once("<installopts>").ok_or("no installopts")?;
    let (options, _) = rest.split_once("</installopts>").ok_or("no end of installopts")?;
    // letter, whether there is a value, long name
    let mut known: Vec<(char, bool, String)> = Vec::new();
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match (character, known.last_mut()) {
            (':', Some(last)) => last.1 = true,
            ('(', Some(last)) => last.2 = characters.by_ref().take_while(|&c| c != ')').collect(),
            _ => known.push((character, false, String::new())),
        }
    }
    let mut handed = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(long) = word.strip_prefix("--") else {
            handed.push((*word).to_owned());
            break;
        };
        match known.iter().find(|(_, _, name)| name == long) {
            Some((letter, true, _)) => {
                handed.push(format!("-{letter}{}", words.next().ok_or("no value")?));
            }
            Some((letter, false, _)) => handed.push(format!("-{letter}")),
            None => handed.push("--".to_owned()),
        }
    }
    handed.extend(words.map(|word| (*word).to_owned()));
    Ok(handed)
}

#[test]
fn layers_that_are_not_the_pinned_ones_leave_nothing() -> Result {
    let system = System::generate()?;
    let [first, second] = ["a.tar.gz", "b.tar.gz"].map(|name| system.place().join(name));
    Archive::layer().file("root/a", 0o644, b"a").write(&first)?;
    Archive::layer().file("root/b", 0o644, b"b").write(&second)?;
    let digest =
        |path: &PathBuf| -> Result<String> { Ok(proto::Digest::of(&fs::read(path)?).to_string()) };
    let (a, b) = (digest(&first)?, digest(&second)?);
    let words = |digests: [&str; 2]| -> Vec<PathBuf> {
        let option = |digest: &str| PathBuf::from(format!("-d{digest}"));
        vec![option(digests[0]), option(digests[1]), first.clone(), second.clone()]
    };
    // one byte of a layer has changed, or the layers are in another order
    assert_refused(&system, &words([&b, &a]), "a.tar.gz: sha256 ")?;
    let sound = fs::read(&second)?;
    fs::write(&second, [&sound[..], b"\0"].concat())?;
    assert_refused(&system, &words([&a, &b]), "b.tar.gz: sha256 ")?;
    fs::write(&second, sound)?;
    let short =
        system.brand().args(["install", "--sha256", &a]).args([&first, &second]).output()?;
    assert_exit(&short, 253, "1 digests for 2 layers");
    assert!(system.left()?.is_empty());
    let mut written = vec!["--json", "--sha256", &a, "--sha256", &b];
    written.extend([first.to_str().ok_or("path")?, second.to_str().ok_or("path")?]);
    let output = system.brand().arg("install").args(handed_on(&written)?).output()?;
    assert_exit(&output, 0, "");
    assert!(text(&output.stdout).starts_with('{'), "{output:?}");
    assert!(system.zone_root().join("a").is_file() && system.zone_root().join("b").is_file());
    Ok(())
}

#[test]
fn damaged_and_wrong_archives_leave_nothing() -> Result {
    let system = System::generate()?;
    let layer = system.place().join("layer.tar.gz");
    let baseline = system.baseline("files.tar.gz");
    let sound = fs::read(&baseline)?;
    // as a layer and as the baseline
    let refuse = |bytes: &[u8], message: &str| -> Result {
        fs::write(&layer, bytes)?;
        assert_refused(&system, std::slice::from_ref(&layer), message)?;
        fs::write(&baseline, bytes)?;
        assert_refused(&system, &[], message)?;
        Ok(fs::write(&baseline, &sound)?)
    };
    for kind in ["layer", "baseline"] {
        let good = match kind {
            "layer" => Archive::layer().directory("root/opt/x", 0o755).bytes()?,
            _ => sound.clone(),
        };
        let file = if kind == "layer" { &layer } else { &baseline };
        let refuse = |bytes: &[u8], message: &str| -> Result {
            fs::write(file, bytes)?;
            let layers = if kind == "layer" { std::slice::from_ref(&layer) } else { &[] };
            assert_refused(&system, layers, message).map_err(|error| format!("{kind}: {error}"))?;
            Ok(fs::write(&baseline, &sound)?)
        };
        refuse(&[&good[..], b"trailing"].concat(), "bytes that do not belong")?;
        refuse(&[&good[..], &good[..]].concat(), "second")?;
        refuse(&good[..good.len() - 9], ".tar.gz")?;
        let mut wrong_sum = good.clone();
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        refuse(&wrong_sum, "CRC-32")?;
    }
    refuse(b"", ".tar.gz")?;
    refuse(b"text", ".tar.gz")?;
    refuse(&Archive::new("os").bytes()?, "type os where one of type ")?;
    refuse(&Archive::new("picture").bytes()?, "oxide.json")?;
    refuse(&Archive::empty().file("oxide.json", 0o444, b"{}").bytes()?, "oxide.json")?;
    let later = b"{\"v\":\"1\",\"t\":\"layer\"}";
    let mut not_first = Archive::empty();
    not_first.directory("root", 0o755).file("oxide.json", 0o444, later);
    refuse(&not_first.bytes()?, "must be the first member")?;
    fs::write(&layer, Archive::new("baseline").bytes()?)?;
    let message = "type baseline where one of type layer";
    assert_refused(&system, std::slice::from_ref(&layer), message)?;
    fs::remove_file(&layer)?;
    assert_refused(&system, &[layer], "layer.tar.gz")
}

#[test]
fn a_wrong_system_is_found_before_anything_is_made() -> Result {
    let broken = |breaks: &dyn Fn(&System) -> Result, message: &str| -> Result {
        let system = System::generate()?;
        breaks(&system)?;
        assert_refused(&system, &[], message)?;
        assert!(text(&system.install(&[])?.stdout).lines().count() < 4);
        Ok(())
    };
    broken(&|s| Ok(fs::remove_file(s.baseline("gzonly.txt"))?), "half a baseline")?;
    broken(&|s| Ok(fs::remove_file(s.baseline("files.tar.gz"))?), "half a baseline")?;
    broken(&|s| Ok(fs::remove_dir_all(s.baseline(""))?), "there is no baseline")?;
    broken(&|s| Ok(fs::write(s.baseline("gzonly.txt"), "a\n/etc\n")?), "gzonly.txt:2: ")?;
    broken(
        &|s| {
            let mut sealed = Archive::empty();
            let seal = "0".repeat(64);
            let json = format!(
                "{{\"v\":\"1\",\"t\":\"baseline\",\"i\":{{\"gzonly-sha256\":\"{seal}\"}}}}"
            );
            sealed.file("oxide.json", 0o444, json.as_bytes());
            sealed.write(&s.baseline("files.tar.gz"))
        },
        "gzonly.txt is not the one that ",
    )?;
    broken(&|s| Archive::layer().write(&s.baseline("files.tar.gz")), "type layer where one")?;
    broken(
        &|s| Ok(fs::write(s.root().join("etc/default/helios-omicron1"), "COPY_THREADS=0")?),
        "helios-omicron1:1: COPY_THREADS",
    )?;
    broken(&|s| Ok(fs::remove_dir_all(s.root().join("sbin"))?), "sbin")?;
    broken(
        &|s| {
            fs::remove_dir_all(s.root().join("sbin"))?;
            Ok(symlink("usr/sbin", s.root().join("sbin"))?)
        },
        "sbin",
    )?;
    broken(
        &|s| {
            let mode = rustix::fs::Mode::RUSR;
            let pipe = s.root().join("usr/lib/pipe");
            Ok(rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, mode, 0)?)
        },
        "usr/lib/pipe is neither a file, a directory nor a link",
    )
}

#[test]
fn a_failure_late_in_the_installation_leaves_nothing() -> Result {
    let system = System::generate()?;
    fs::remove_file(system.root().join("etc/default/init"))?;
    assert_refused(&system, &[], "etc/default/init")?;

    let system = System::generate()?;
    fs::write(system.baseline("gzonly.txt"), "lib/64/x\n")?;
    assert_refused(&system, &[], "it is a symbolic link")
}

#[test]
fn a_zone_root_that_is_there_is_not_touched() -> Result {
    let system = System::generate()?;
    fs::create_dir(system.zone_root())?;
    fs::write(system.zone_root().join("precious"), "")?;
    // 254 would make zoneadm empty the zonepath
    assert_exit(&system.install(&[])?, 255, "is there already: uninstall the zone first");
    assert!(system.zone_root().join("precious").exists());
    assert_eq!(system.left()?, ["root"]);
    Ok(())
}

#[test]
fn what_a_killed_run_left_is_removed_and_other_things_are_not() -> Result {
    let system = System::generate()?;
    for name in ["root.installing-1", "root.removing-22", "root.installing-", "root.x-1"] {
        fs::create_dir_all(system.zonepath().join(name).join("a"))?;
    }
    assert_exit(&system.install(&[])?, 0, "");
    assert_eq!(system.left()?, ["root", "root.installing-", "root.x-1"]);
    Ok(())
}

#[test]
fn killed_at_any_moment_there_is_no_root_or_a_complete_one() -> Result {
    let system = System::generate()?;
    let start = std::time::Instant::now();
    assert_exit(&system.install(&[])?, 0, "");
    let whole = start.elapsed();
    let shape = |root: &Path| -> Result<Vec<_>> {
        Ok(list(root)?.into_iter().map(|(path, entry)| (path, entry.comparable())).collect())
    };
    let complete = shape(&system.zone_root())?;
    assert_exit(&system.brand().arg("uninstall").output()?, 0, "");

    let (mut without, mut with) = (0, 0);
    for moment in 0..50 {
        let mut child = system
            .brand()
            .arg("install")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()?;
        std::thread::sleep(whole * moment / 45);
        child.kill()?;
        child.wait()?;
        if system.zone_root().exists() {
            with += 1;
            assert!(shape(&system.zone_root())? == complete, "an incomplete root at {moment}");
            assert_exit(&system.brand().arg("uninstall").output()?, 0, "");
        } else {
            without += 1;
        }
    }
    // whatever was left, the next one is complete
    assert_exit(&system.install(&[])?, 0, "");
    assert!(shape(&system.zone_root())? == complete);
    assert_eq!(system.left()?, ["root"]);
    assert!(without > 0, "{with} of 50 were complete");
    Ok(())
}
