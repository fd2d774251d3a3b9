//! Directories laid over an image.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::tools::{Bench, stat, text};
use image_templates::{Context, Modes, apply, genproto};

fn chmod(bench: &Bench, name: &str, mode: u32) {
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(bench.path(name), permissions).unwrap();
}

#[test]
fn a_tree_becomes_roots_with_groups_by_path() {
    let bench = Bench::new();
    bench
        .write("over/opt/oxide/agent/run", "run")
        .write("over/etc/agent.conf", "conf")
        .write("over/lib/svc/manifest/site/agent.xml", "<xml/>")
        .write("over/usr/bin/tool", "tool");
    symlink("agent.conf", bench.path("over/etc/link")).unwrap();
    chmod(&bench, "over/opt/oxide/agent/run", 0o6750);
    chmod(&bench, "over/etc/agent.conf", 0o600);
    chmod(&bench, "over/etc", 0o700);
    for (modes, run, conf, etc) in
        [(Modes::AsOnDisk, "0750", "0600", "0700"), (Modes::Normal, "0755", "0644", "0755")]
    {
        let plan = genproto(&bench.path("over"), modes).unwrap();
        let mut proto = bench.proto();
        apply(&plan, &mut proto, &mut Context::new(bench.path("output"))).unwrap();
        assert_eq!(stat(&proto, "opt/oxide/agent/run"), format!("file {run} 0:0"));
        assert_eq!(stat(&proto, "etc/agent.conf"), format!("file {conf} 0:0"));
        assert_eq!(stat(&proto, "etc"), format!("directory {etc} 0:3"));
        assert_eq!(stat(&proto, "etc/link"), "symlink 0777 0:0 agent.conf");
        assert_eq!(text(&proto, "usr/bin/tool"), "tool");
        let explained = bench.shorten(plan.explain());
        let first = explained.lines().next().unwrap();
        assert_eq!(first, format!("    1  ensure_directory    /etc/ root:sys {etc}  [over/etc:1]"));
        let paths: Vec<&str> =
            explained.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
        let mut sorted = paths.clone();
        sorted.sort();
        assert_eq!(paths, sorted);
    }
}

#[test]
fn what_no_image_takes_is_refused() {
    let bench = Bench::new();
    bench.write("over/bin/tool", "");
    let error = genproto(&bench.path("over"), Modes::AsOnDisk).unwrap_err();
    assert_eq!(
        bench.shorten(error),
        "over/bin: /bin is a link in every image; put its files into usr/bin"
    );
    let socket = bench.path("other");
    std::fs::create_dir(&socket).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(socket.join("s")).unwrap();
    let error = genproto(&socket, Modes::Normal).unwrap_err();
    assert!(error.to_string().contains("only files, directories and links"), "{error}");
    let error = genproto(&bench.path("nowhere"), Modes::Normal).unwrap_err();
    assert!(bench.shorten(error).contains("cannot list nowhere"));
}
