//! Every hook but the installation, called as the zones framework calls it.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Output};

use common::{Result, System, assert_exit, text};

fn zone(attributes: &str, children: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE zone PUBLIC \"-//Sun Microsystems \
         Inc//DTD Zones//EN\" \"file:///usr/share/lib/xml/dtd/zonecfg.dtd.1\">\n<zone name=\"ntp\" \
         zonepath=\"/zone/ntp\" autoboot=\"false\" {attributes}>{children}</zone>\n"
    )
}

#[test]
fn verify_cfg_says_what_to_change() -> Result {
    let system = System::generate()?;
    let file = system.place().join("zonecfg_verify.a");
    let verify = || -> Result<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brand"));
        command.arg("--system-root").arg(system.root()).arg("verify_cfg").arg(&file);
        Ok(command.output()?)
    };
    fs::write(&file, zone("brand=\"omicron1\" ip-type=\"exclusive\"", ""))?;
    let output = verify()?;
    assert_exit(&output, 0, "");
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()));

    let mount = "<filesystem special=\"/x\" directory=\"/usr\" type=\"lofs\"/>";
    fs::write(&file, zone("brand=\"omicron1\"", mount))?;
    let output = verify()?;
    assert_exit(&output, 255, "ip-type is not set, which means shared\n");
    assert_eq!(
        text(&output.stderr),
        "ERROR: omicron: ip-type is not set, which means shared\n\
         ERROR: omicron:   change: set ip-type=exclusive\n\
         ERROR: omicron: file system at /usr: the omicron1 brand needs that place itself\n\
         ERROR: omicron:   change: remove fs dir=/usr\n"
    );

    fs::write(&file, "<zone")?;
    assert_exit(&verify()?, 255, "not a zone configuration");
    fs::remove_file(&file)?;
    assert_exit(&verify()?, 255, "failed to read");
    Ok(())
}

#[test]
fn hooks_that_have_nothing_to_do_print_nothing() -> Result {
    let system = System::generate()?;
    for words in [
        &["query", "datasets"][..],
        &["query", "anything"],
        &["sysboot"],
        &["prestatechange", "2", "0"],
        &["poststatechange", "4", "4", "/a"],
        &["verify_adm", "boot"],
        &["verify_adm", "install", "/opt/oxide/ntp.tar.gz"],
        &["verify_adm", "install", "-x", "nodataset", "--json", "/opt/oxide/ntp.tar.gz"],
    ] {
        let output = system.brand().args(words).output()?;
        assert_exit(&output, 0, "");
        let printed = (text(&output.stdout), text(&output.stderr));
        assert_eq!(printed, (String::new(), String::new()), "{words:?}");
    }
    Ok(())
}

#[test]
fn wrong_usage_ends_with_253() -> Result {
    let system = System::generate()?;
    for words in [
        &[][..],
        &["attach"],
        &["detach"],
        &["clone", "other"],
        &["install", "-x"],
        &["uninstall", "now"],
        &["prestatechange", "2", "9"],
    ] {
        assert_exit(&system.brand().args(words).output()?, 253, "usage: brand ");
    }
    let output = system.brand().arg("--help").output()?;
    assert_exit(&output, 0, "");
    assert!(text(&output.stdout).starts_with("usage: brand "));
    Ok(())
}

#[test]
fn names_that_a_shell_would_touch_are_refused() -> Result {
    let system = System::generate()?;
    let output = system.brand().args(["verify_adm", "install", "a;b"]).output()?;
    assert_exit(&output, 255, "layer \"a;b\" has the character ';'");
    let output = system.brand().args(["install", "/opt/$(x).tar.gz"]).output()?;
    assert_exit(&output, 254, "layer \"/opt/$(x).tar.gz\" has the character '$'");
    let output = system.brand().args(["-R", "/zone/a b", "uninstall"]).output()?;
    assert_exit(&output, 255, "zonepath \"/zone/a b\" has the character ' '");
    Ok(())
}

#[test]
fn a_log_that_cannot_be_written_fails_no_hook() -> Result {
    let system = System::generate()?;
    fs::remove_dir_all(system.root().join("var/log"))?;
    assert_exit(&system.brand().arg("sysboot").output()?, 0, "");
    let log = system.place().join("log");
    let output = system.brand().arg("sysboot").env("OMICRON_BRAND_LOG", &log).output()?;
    assert_exit(&output, 0, "");
    assert_eq!(fs::read_to_string(&log)?.lines().count(), 1);
    let output = system.brand().arg("sysboot").env("DEBUG_OMICRON_BRAND", "yes").output()?;
    assert_exit(&output, 0, "DEBUG: omicron: ");
    Ok(())
}

#[test]
fn uninstall_removes_the_root_and_nothing_else() -> Result {
    let system = System::generate()?;
    let outside = system.place().join("outside");
    fs::create_dir(&outside)?;
    fs::write(outside.join("kept"), "")?;
    assert_exit(&system.install(&[])?, 0, "");
    symlink(&outside, system.zone_root().join("link"))?;
    fs::create_dir(system.zonepath().join("root.removing-7"))?;
    fs::write(system.zonepath().join("foreign"), "")?;
    assert_exit(&system.brand().args(["uninstall", "-F"]).output()?, 0, "");
    assert_eq!(system.left()?, ["foreign"]);
    assert!(outside.join("kept").exists());
    // nothing to remove is fine: an installation may have failed
    assert_exit(&system.brand().arg("uninstall").output()?, 0, "");

    symlink(&outside, system.zone_root())?;
    assert_exit(&system.brand().arg("uninstall").output()?, 255, "it is not a directory");
    assert!(outside.join("kept").exists());

    fs::remove_dir_all(system.zonepath())?;
    assert_exit(&system.brand().arg("uninstall").output()?, 0, "");
    Ok(())
}

#[test]
fn uninstall_removes_nothing_while_something_is_mounted() -> Result {
    let system = System::generate()?;
    assert_exit(&system.install(&[])?, 0, "");
    let mounted = system.zone_root().join("system/usr");
    let table = format!("/usr\t{}\tlofs\tro\t1\n", mounted.display());
    fs::write(system.root().join("etc/mnttab"), table)?;
    let output = system.brand().arg("uninstall").output()?;
    assert_exit(&output, 255, "system/usr is mounted: unmount it");
    assert!(system.zone_root().join("usr/bin/ls").is_symlink());
    Ok(())
}

/// What is really mounted is seen without a table. Needs a namespace to mount in.
#[test]
fn uninstall_removes_nothing_below_which_something_is_mounted() -> Result {
    let Some(mut unshare) = verifiers::require("unshare") else { return Ok(()) };
    let system = System::generate()?;
    assert_exit(&system.install(&[])?, 0, "");
    let place = system.zone_root().join("opt");
    let command = system.brand();
    let output = unshare
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs none \"$0\" || exit 77; exec \"$@\" uninstall")
        .arg(&place)
        .arg(command.get_program())
        .args(command.get_args())
        .output()?;
    if output.status.code() == Some(77) || text(&output.stderr).contains("unshare") {
        return Ok(());
    }
    assert_exit(&output, 255, "root/opt is mounted: unmount it");
    assert!(system.zone_root().join("usr/bin/ls").is_symlink());
    Ok(())
}

/// Stands in for zfs(8): keeps a record of its calls and answers from files beside it.
const ZFS: &str = "#!/bin/sh\n\
    here=$(dirname \"$0\")\n\
    echo \"$*\" >> \"$here/zfs.calls\"\n\
    case \"$*\" in\n\
    *name,mountpoint*) cat \"$here/zfs.dataset\" ;;\n\
    *'-t all'*) cat \"$here/zfs.below\" ;;\n\
    destroy*) exit \"$(cat \"$here/zfs.destroy\" 2>/dev/null || echo 0)\" ;;\n\
    esac\n";

#[test]
fn uninstall_destroys_the_dataset_that_is_the_zones_alone() -> Result {
    let destroyed = |dataset: &str, below: &str, foreign: bool| -> Result<(bool, String)> {
        let system = System::generate()?;
        assert_exit(&system.install(&[])?, 0, "");
        let programs = system.root().join("usr/sbin");
        fs::write(programs.join("zfs"), ZFS)?;
        fs::set_permissions(programs.join("zfs"), PermissionsExt::from_mode(0o755))?;
        let zonepath = system.zonepath().display().to_string();
        fs::write(programs.join("zfs.dataset"), dataset.replace("ZONEPATH", &zonepath))?;
        fs::write(programs.join("zfs.below"), below)?;
        if foreign {
            fs::write(system.zonepath().join("foreign"), "")?;
        }
        let output = system.brand().arg("uninstall").output()?;
        assert_exit(&output, 0, "");
        assert!(!system.zone_root().exists());
        let calls = fs::read_to_string(programs.join("zfs.calls"))?;
        Ok((calls.contains("destroy tank/ntp\n"), text(&output.stdout)))
    };
    let own = "tank/ntp\tZONEPATH\n";
    assert_eq!(destroyed(own, "tank/ntp\n", false)?, (true, String::new()));
    let spared = |dataset, below, foreign, message: &str| -> Result {
        let (destroyed, said) = destroyed(dataset, below, foreign)?;
        assert!(!destroyed && said.contains(message), "{said}");
        Ok(())
    };
    spared("tank\t/tank\n", "tank\n", false, "it is no dataset of its own")?;
    spared("", "", false, "it is no dataset of its own")?;
    spared(own, "tank/ntp\ntank/ntp@backup\n", false, "there is tank/ntp@backup")?;
    spared(own, "tank/ntp\ntank/ntp/data\n", false, "there is tank/ntp/data")?;
    spared(own, "tank/ntp\n", true, "there is foreign in it")
}

#[test]
fn the_program_needs_nothing_but_the_system() -> Result {
    let Some(mut readelf) = verifiers::require("readelf") else { return Ok(()) };
    let output = readelf.args(["-h", "-d", env!("CARGO_BIN_EXE_brand")]).output()?;
    let told = text(&output.stdout);
    assert!(told.contains("ELF64") && told.contains("DYN"), "{told}");
    let needed: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        .collect();
    assert!(!needed.is_empty());
    for library in needed {
        let system = ["libc.", "libgcc_s.", "ld-linux", "libm.", "libsocket.", "libnsl.", "librt."];
        assert!(system.iter().any(|prefix| library.starts_with(prefix)), "{library}");
    }
    Ok(())
}
