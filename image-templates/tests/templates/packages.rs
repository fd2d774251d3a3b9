//! The `pkg_*` steps, with a package system that only writes down what it is asked.

use crate::tools::{Bench, add_file, has, stat};
use image_templates::{Context, Optional, Outcome, Packages};
use proto::{Metadata, Proto};

#[derive(Default)]
struct Recorder {
    asked: Vec<String>,
}

impl Recorder {
    fn ask(&mut self, proto: &mut Proto, asked: String) -> Outcome {
        if asked.contains("missing") {
            return Err("no such package".into());
        }
        add_file(proto, "var/pkg/log", asked.as_bytes(), Metadata::root(0o644));
        self.asked.push(asked);
        Ok(())
    }
}

impl Packages for Recorder {
    fn image_create(&mut self, proto: &mut Proto, publisher: Option<(&str, &str)>) -> Outcome {
        self.ask(proto, format!("create {publisher:?}"))
    }
    fn set_publisher(
        &mut self,
        proto: &mut Proto,
        publisher: &str,
        origins: &[String],
        mirror: Option<&str>,
    ) -> Outcome {
        self.ask(proto, format!("publisher {publisher} {origins:?} {mirror:?}"))
    }
    fn approve_ca_cert(&mut self, proto: &mut Proto, publisher: &str, file: &str) -> Outcome {
        self.ask(proto, format!("certificate {publisher} {file}"))
    }
    fn set_property(&mut self, proto: &mut Proto, name: &str, value: &str) -> Outcome {
        self.ask(proto, format!("property {name} {value}"))
    }
    fn install(&mut self, proto: &mut Proto, packages: &[String], optional: Optional) -> Outcome {
        add_file(proto, "etc/passwd", "svc:x:55:55::/:\n", Metadata::root(0o644));
        add_file(proto, "etc/group", "svc::56:\n", Metadata::root(0o644));
        let (include, any) = (optional.include, optional.any_publisher);
        self.ask(proto, format!("install {packages:?} {include} {any}"))
    }
    fn uninstall(&mut self, proto: &mut Proto, packages: &[String]) -> Outcome {
        self.ask(proto, format!("uninstall {packages:?}"))
    }
    fn change_variant(&mut self, proto: &mut Proto, variant: &str, value: &str) -> Outcome {
        self.ask(proto, format!("variant {variant} {value}"))
    }
    fn change_facet(&mut self, proto: &mut Proto, facet: &str, value: &str) -> Outcome {
        self.ask(proto, format!("facet {facet} {value}"))
    }
    fn purge_history(&mut self, proto: &mut Proto) -> Outcome {
        self.ask(proto, "purge".into())
    }
}

#[test]
fn every_step_asks_for_what_it_says() {
    let bench = Bench::new();
    bench.write(
        "t/g/m.json",
        r#"{"steps": [
            { "t": "pkg_image_create", "publisher": "p", "uri": "file:///${r}" },
            { "t": "pkg_set_publisher", "publisher": "p", "uris": [ "${@@uri}" ] },
            { "t": "pkg_set_publisher", "publisher": "q", "uri": "u", "mirror_uri": "m" },
            { "t": "pkg_approve_ca_cert", "publisher": "p", "certfile": "c" },
            { "t": "pkg_set_property", "name": "n", "value": "v" },
            { "t": "pkg_change_variant", "variant": "opensolaris.zone", "value": "global" },
            { "t": "pkg_change_facet", "facet": "doc", "value": "False" },
            { "t": "pkg_install", "pkgs": [ "/a", "${@more}", "/b@${@more}" ] },
            { "t": "pkg_install", "pkgs": [ "${@none}" ] },
            { "t": "pkg_install", "pkgs": [ "c" ], "include_optional": true,
              "strip_optional_publishers": false },
            { "t": "pkg_uninstall", "pkgs": [ "c" ] },
            { "t": "pkg_purge_history" },
            { "t": "ensure_dir", "dir": "/srv", "owner": "svc", "group": "svc", "mode": "0700" }
        ]}"#,
    );
    let mut recorder = Recorder::default();
    let mut context = Context::new(bench.path("output"));
    context.packages = Some(&mut recorder);
    let mut proto = bench.proto();
    let features = ["r=repo", "uri+=2", "uri+=1", "more+=y", "more+=x"];
    bench.apply_in(&mut proto, &features, &mut context).unwrap();
    assert_eq!(
        recorder.asked,
        [
            r#"create Some(("p", "file:///repo"))"#,
            r#"publisher p ["1", "2"] None"#,
            r#"publisher q ["u"] Some("m")"#,
            "certificate p c",
            "property n v",
            "variant opensolaris.zone global",
            "facet doc false",
            r#"install ["/a", "x", "y", "/b@x", "/b@y"] false true"#,
            r#"install ["c"] true false"#,
            r#"uninstall ["c"]"#,
            "purge",
        ]
    );
    // The account came with a package of the same run.
    assert_eq!(stat(&proto, "srv"), "directory 0700 55:56");
}

#[test]
fn a_refusal_names_the_step_and_leaves_no_trace() {
    let bench = Bench::new();
    bench.write(
        "t/g/m.json",
        "{\"steps\": [\n{ \"t\": \"pkg_install\", \"pkgs\": [ \"a\" ] },\n\
         { \"t\": \"pkg_install\", \"pkgs\": [ \"missing\" ] }]}",
    );
    let mut recorder = Recorder::default();
    let mut context = Context::new(bench.path("output"));
    context.packages = Some(&mut recorder);
    let mut proto = bench.proto();
    let error = bench.apply_in(&mut proto, &[], &mut context).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        (bench.shorten(error), cause.as_str()),
        ("t/g/m.json:3: step 2, pkg_install: the package system refused".into(), "no such package")
    );
    assert!(!has(&proto, "var/pkg/log"));
}

#[test]
fn package_steps_need_a_package_system() {
    let bench = Bench::new();
    let step = r#"{ "t": "pkg_image_create" }"#;
    assert!(
        bench.failure(&bench.proto(), step).ends_with("no package system was given to this run")
    );
}
