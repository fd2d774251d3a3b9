//! Manifests, requests and sources that nothing can be built of.

use std::collections::BTreeMap;
use std::fs;

use proto::Digest;
use zone_build::{Request, State};

use crate::common::{Bench, Published, package, unpacked};

#[test]
fn what_is_missing_is_planned_with_what_to_do() {
    let bench = Bench { offline: true, ..Bench::new() };
    for path in ["source/smf/first", "source/target", "given"] {
        fs::remove_dir_all(bench.path(path)).unwrap();
    }
    let request = Request { pins: BTreeMap::new(), ..bench.request() };
    let plan = bench.plan(Request { target: vec![], ..request }).unwrap();
    let problems = |name: &str| -> Vec<String> {
        plan.problems(name).iter().map(ToString::to_string).collect()
    };
    let first = problems("first");
    assert!(first[0].contains("source/smf/first is missing; take a whole checkout"), "{first:?}");
    assert!(first[1].contains("target/release/agent: not built"), "{first:?}");
    assert!(first[1].contains("cargo build --release -p first"), "{first:?}");
    assert!(problems("second")[0].contains("is not in the store; run once without --offline"));
    assert!(problems("hand")[0].contains("hand.tar.gz is to be put into place by hand"));
    assert!(problems("blobs")[0].contains("give it with --pin deep/firmware.bin=SHA256"));
    assert_eq!(problems("both").len(), 3, "a composite lacks what its components lack");
    assert_eq!(plan.state("elsewhere"), State::Excluded);
    let reason = plan.packages["elsewhere"].excluded.clone().unwrap();
    assert_eq!(reason, "only for image=trampoline, and the target has standard");

    // Nothing is begun.
    let error = bench.build(bench.request()).unwrap_err();
    assert!(error.contains("both") && error.contains("not built"), "{error}");
    assert!(bench.out().is_empty());

    // Without a preset the template has no value.
    let plan = bench.plan(Request { preset: None, ..bench.request() }).unwrap();
    let reason = plan.packages["agent"].excluded.clone().unwrap();
    assert_eq!(reason, "only for image=standard, which the target does not say");
    let target = vec![("image".to_owned(), "standard".to_owned())];
    let plan = bench.plan(Request { preset: None, target, ..bench.request() }).unwrap();
    let agent = plan.problems("agent")[0].to_string();
    assert!(agent.contains("machine") && agent.contains("--set KEY=VALUE"), "{agent}");
}

#[test]
fn paths_of_the_building_system_are_found_in_another_root() {
    let manifest = package(
        "lib",
        "source.type = \"local\"\n\
         source.paths = [{ from = \"/opt/not-here/lib\", to = \"/opt/lib\" }]",
    );
    let bench = Bench::with(Published::new(), &manifest);
    let request = || Request { preset: None, ..bench.request() };
    let error = bench.build(request()).unwrap_err();
    assert!(error.contains("/opt/not-here/lib is missing"), "{error}");
    assert!(error.contains("--sysroot"), "{error}");
    bench.write("illumos/opt/not-here/lib/libpq.so.5", b"library", 0o755);
    bench.build(Request { sysroot: Some(bench.path("illumos")), ..request() }).unwrap();
    let files = unpacked(&bench.path("out/lib.tar.gz"));
    assert_eq!(files["root/opt/lib/libpq.so.5"], "library");
}

#[test]
fn what_was_put_into_place_by_hand_is_not_replaced() {
    let bench = Bench::new();
    let (given, there) = (bench.path("given/hand.tar.gz"), bench.path("out/hand.tar.gz"));
    fs::create_dir(bench.path("out")).unwrap();
    fs::rename(&given, &there).unwrap();
    let bytes = fs::read(&there).unwrap();
    let request = || Request { names: vec!["hand".to_owned()], ..bench.request() };
    bench.build(request()).unwrap();
    assert!(fs::read(&there).unwrap() == bytes);
    let version = Some("1.0.0".parse().unwrap());
    let error = bench.build(Request { version, ..request() }).unwrap_err();
    assert!(error.contains("would be replaced by a stamped one"), "{error}");
    assert!(fs::read(&there).unwrap() == bytes);
}

#[test]
fn what_cannot_be_built_is_left_out_on_request() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("source/smf/first")).unwrap();
    let mut plan = bench.plan(bench.request()).unwrap();
    let blocked = plan.leave_out_blocked();
    assert_eq!(blocked.keys().collect::<Vec<_>>(), ["both", "whole"]);
    let wanted: Vec<_> = plan.wanted().collect();
    assert_eq!(wanted, ["agent", "blobs", "hand", "shipped", "tools"]);
}

#[test]
fn manifests_that_contradict_themselves_are_refused_as_a_whole() {
    let local = |to: &str| {
        format!("source.type = \"local\"\nsource.paths = [{{ from = \"tree\", to = \"{to}\" }}]")
    };
    let composite = |of: &str| format!("source.type = \"composite\"\nsource.packages = [{of}]");
    let manifest = [
        package("up", &local("/opt/../../etc")),
        package("relative", &local("opt")),
        package("dots", &local("/opt/./x")),
        package("unknown", &composite("\"dosts.tar.gz\"")),
        package("tarred", "source.type = \"composite\"\nsource.packages = []")
            .replace("zone", "tarball"),
        package(
            "program",
            "source.type = \"local\"\nsource.rust = { binary_names = [\"../x\"], release = true }",
        ),
    ]
    .concat();
    let bench = Bench::with(Published::new(), &manifest);
    let request = || Request { preset: None, ..bench.request() };
    let error = bench.plan(request()).unwrap_err().to_string();
    for line in [
        "up: `to = \"/opt/../../etc\"` has a `..` component",
        "relative: `to = \"opt\"` is relative; in a zone image paths begin with `/`",
        "dots: `to = \"/opt/./x\"` has a `.` component",
        "unknown: no package makes its component dosts.tar.gz; did you mean dots.tar.gz?",
        "tarred: only zone images can be composed",
        "program: `../x` is no name of a program",
    ] {
        assert!(error.contains(line), "{line}: {error}");
    }

    for (manifest, line) in [
        (
            [("a", "b"), ("b", "c"), ("c", "a")]
                .map(|(name, of)| package(name, &composite(&format!("\"{of}.tar.gz\""))))
                .concat(),
            "a: it is composed of itself: a <- b <- c <- a",
        ),
        (
            package("a", &local("/x")) + &package("b", &local("/x")).replace("\"b\"", "\"a\""),
            "b: it becomes a.tar.gz, and so does a",
        ),
    ] {
        let bench = Bench::with(Published::new(), &manifest);
        let error = bench.plan(Request { preset: None, ..bench.request() }).unwrap_err();
        assert!(error.to_string().contains(line), "{error}");
    }
}

#[test]
fn names_and_presets_that_are_not_there_are_told_with_what_is() {
    let bench = Bench::new();
    let names = |name: &str| Request { names: vec![name.to_owned()], ..bench.request() };
    for (request, line) in [
        (names("bothh"), "there is no package `bothh`; did you mean `both`?"),
        (names("elsewhere"), "the target does not have `elsewhere`: only for image=trampoline"),
        (
            Request {
                pins: BTreeMap::from([("shiped".to_owned(), Digest::of(b"x"))]),
                ..bench.request()
            },
            "there is no package or blob `shiped` to pin; did you mean `shipped`?",
        ),
        (
            Request { preset: Some("hosts".to_owned()), ..bench.request() },
            "there is no preset `hosts`, only host, recovery",
        ),
    ] {
        let error = bench.plan(request).unwrap_err().to_string();
        assert!(error.contains(line), "{error}");
    }
}

#[test]
fn types_that_differ_are_an_error_with_both_packages() {
    let part = |name: &str, to: &str| {
        package(
            name,
            &format!(
                "source.type = \"local\"\nsource.paths = [{{ from = \"tree/deep/data\", to = \"{to}\" }}]\n\
             output.intermediate_only = true"
            ),
        )
    };
    let manifest = part("one", "/opt/x")
        + &part("two", "/opt/x/y")
        + &package(
            "all",
            "source.type = \"composite\"\nsource.packages = [\"one.tar.gz\", \"two.tar.gz\"]",
        );
    let bench = Bench::with(Published::new(), &manifest);
    let error = bench.build(Request { preset: None, ..bench.request() }).unwrap_err();
    assert!(error.contains("all: opt/x is a file from one and a directory from two"), "{error}");
    assert!(bench.out().is_empty());
}

#[test]
fn paths_that_no_zone_can_have_are_refused() {
    let to = "/x".repeat(510);
    let local = |to: &str| {
        package(
            "long",
            &format!(
                "source.type = \"local\"\nsource.paths = [{{ from = \"tree/deep/data\", to = \"{to}\" }}]"
            ),
        )
    };
    let bench = Bench::with(Published::new(), &local(&to));
    let error = bench.build(Request { preset: None, ..bench.request() }).unwrap_err();
    assert!(error.contains("has 1024 bytes, and at most 1023 are read"), "{error}");
    assert!(bench.out().is_empty());
    let bench = Bench::with(Published::new(), &local(&to[2..]));
    bench.build(Request { preset: None, ..bench.request() }).unwrap();
}

#[test]
fn what_a_mistake_comes_from_is_told_with_it() {
    let told = |manifest: &str, preset: Option<&str>| {
        let bench = Bench::with(Published::new(), manifest);
        let request = Request { preset: preset.map(str::to_owned), ..bench.request() };
        bench.plan(request).unwrap_err().to_string()
    };
    let rust = "source.type = \"local\"\nsource.rust = { binary_names = [], relase = true }";
    let error = told(&package("typo", rust), None);
    assert!(error.contains("[package.typo]: ") && error.contains("`release`"), "{error}");
    assert!(error.contains("nothing reads `relase`"), "{error}");
    assert!(error.contains("did you mean `release`?"), "{error}");

    let one = "source.type = \"manual\"\nonly_for_target.image = ";
    let both = [
        package("one", &format!("{one}\"a\"")),
        package("two", &format!("{one}\"b\"")).replace("\"two\"", "\"one\""),
    ];
    let error = told(&both.concat(), None);
    assert!(error.contains("it becomes one.tar.gz, and so does one"), "{error}");
    assert!(error.contains("did you mean `only_for_targets`?"), "{error}");

    let manual = package("one", "source.type = \"manual\"");
    let error = told(&manual, Some("host"));
    assert!(error.contains("there is no preset `host`; the manifest has none"), "{error}");
    let composite = "source.type = \"composite\"\nsource.packages = [\"one\"]";
    let error = told(&(manual.clone() + &package("all", composite)), None);
    assert!(
        error.contains("no package makes its component one; a component is the file"),
        "{error}"
    );
}

#[test]
fn keys_of_filters_that_no_preset_has_are_told() {
    let only = "source.type = \"manual\"\nonly_for_targets.imgae = \"standard\"";
    let presets = "\n[target.preset.host]\nimage = \"standard\"\n";
    let manifest = [package("one", only), package("two", only), presets.to_owned()].concat();
    let bench = Bench::with(Published::new(), &manifest);
    let plan = bench.plan(Request { preset: Some("host".to_owned()), ..bench.request() }).unwrap();
    assert_eq!(
        plan.warnings,
        ["no preset has the key `imgae` of only_for_targets of [package.one] and 1 more; did you \
          mean `image`?"]
    );
}
