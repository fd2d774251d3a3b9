//! The brand's data files, judged by the rules of the programs that read them.
//!
//! The DTDs themselves are illumos's and not here; what they demand of these files is restated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::Event;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[derive(Debug)]
struct Element {
    depth: usize,
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// All elements of a well-formed document, in document order, and its document type.
fn read(name: &str) -> std::result::Result<(String, Vec<Element>), Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(file(name))?;
    let mut reader = Reader::from_str(&text);
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut doctype = String::new();
    loop {
        let event = reader.read_event()?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let mut attributes = BTreeMap::new();
                for attribute in tag.attributes() {
                    let attribute = attribute?;
                    attributes.insert(
                        attribute.key.as_ref().to_owned(),
                        quick_xml::escape::unescape(&attribute.value)?.into_owned(),
                    );
                }
                elements.push(Element {
                    depth: open.len(),
                    name: tag.name().as_ref().to_owned(),
                    attributes,
                    text: String::new(),
                });
                if matches!(event, Event::Start(_)) {
                    open.push(elements.len() - 1);
                }
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Text(text) => {
                if let Some(element) = open.last() {
                    elements[*element].text.push_str(text);
                }
            }
            Event::DocType(text) => doctype = text.split_whitespace().collect::<Vec<_>>().join(" "),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    Ok((doctype, elements))
}

/// Children of `brand` in the order that validation enforces. `!` is needed, `*` may be repeated.
const BRAND_CHILDREN: &str = "modname initname! restartinit restartinit0 restartinitreboot \
    login_cmd! forcedlogin_cmd! user_cmd! install! installopts boot sysboot halt shutdown \
    verify_cfg verify_adm postattach postclone postinstall predetach attach detach clone presnap \
    postsnap validatesnap preuninstall uninstall prestatechange poststatechange query \
    security-flags privilege!*";

#[test]
fn config_xml_is_what_libbrand_accepts() -> Result {
    let (doctype, elements) = read("files/config.xml")?;
    assert_eq!(
        doctype,
        "brand PUBLIC \"-//Sun Microsystems Inc//DTD Brands//EN\" \
         \"file:///usr/share/lib/xml/dtd/brand.dtd.1\""
    );
    let (root, children) = elements.split_first().ok_or("empty")?;
    // getopt(3C) of illumos: letters, a colon where there is a value, the long name
    let options = elements.iter().find(|element| element.name == "installopts");
    assert_eq!(options.ok_or("no installopts")?.text, "j(json)d:(sha256)");
    assert_eq!((root.name.as_str(), root.attributes["name"].as_str()), ("brand", "omicron1"));

    let mut rest = children.iter().peekable();
    for word in BRAND_CHILDREN.split_whitespace() {
        let name = word.trim_end_matches(['!', '*']);
        let mut count = 0;
        while rest.next_if(|child| child.name == name && child.depth == 1).is_some() {
            count += 1;
        }
        assert!(count > 0 || !word.contains('!'), "{name} is needed");
        assert!(count < 2 || word.ends_with('*'), "{name} is repeated");
    }
    assert!(rest.peek().is_none(), "out of order: {:?}", rest.peek());

    let mut sets: BTreeMap<&str, usize> = BTreeMap::new();
    for privilege in children.iter().filter(|child| child.name == "privilege") {
        let set = privilege.attributes["set"].as_str();
        assert!(["default", "prohibited", "required"].contains(&set));
        assert!(!privilege.attributes["name"].is_empty());
        if let Some(ip_type) = privilege.attributes.get("ip-type") {
            assert!(["shared", "exclusive"].contains(&ip_type.as_str()));
        }
        *sets.entry(set).or_default() += 1;
    }
    assert_eq!(sets, BTreeMap::from([("default", 37), ("prohibited", 12), ("required", 4)]));
    Ok(())
}

/// The command line that config.xml makes for a zone, with what the framework appends.
fn command_line(element: &Element, appended: &str) -> String {
    let text = element.text.replace("%z", "ntp").replace("%R", "/zone/ntp");
    // verify_adm's subcommand is appended as it is, everything else after a space
    let separator = if element.name == "verify_adm" { "" } else { " " };
    format!("{text}{separator}{appended}")
}

#[test]
fn every_hook_that_config_xml_names_is_there() -> Result {
    let appended = BTreeMap::from([
        ("install", "/opt/oxide/ntp.tar.gz"),
        ("sysboot", ""),
        ("verify_cfg", "/tmp/zonecfg_verify.x"),
        ("verify_adm", "boot -s"),
        ("uninstall", "-F"),
        ("prestatechange", "2 0 "),
        ("poststatechange", "4 4 "),
        ("query", "datasets"),
    ]);
    let program = "/usr/lib/brand/omicron1/brand ";
    let mut found = Vec::new();
    for element in read("files/config.xml")?.1 {
        if let Some(hook) = element.text.strip_prefix(program) {
            assert!(!hook.is_empty());
            let line = command_line(&element, appended[element.name.as_str()]);
            let words = line[program.len()..].split_whitespace().map(Into::into);
            brand::arguments::parse(words).map_err(|error| format!("{line}: {error}"))?;
            found.push(element.name.clone());
        }
    }
    found.sort();
    assert!(found.iter().eq(appended.keys()), "{found:?}");
    Ok(())
}

#[test]
fn platform_xml_is_what_libbrand_accepts() -> Result {
    let (doctype, elements) = read("files/platform.xml")?;
    assert_eq!(
        doctype,
        "platform PUBLIC \"-//Sun Microsystems Inc//Zones Platform//EN\" \
         \"file:///usr/share/lib/xml/dtd/zone_platform.dtd.1\""
    );
    let (root, children) = elements.split_first().ok_or("empty")?;
    assert_eq!(root.attributes["name"], "omicron1");
    assert_eq!(root.attributes["allow-exclusive-ip"], "true");

    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut lofs = Vec::new();
    for child in children {
        let (needed, allowed): (&[&str], &[&str]) = match child.name.as_str() {
            "device" => (&["match"], &["name", "arch", "ip-type"]),
            "symlink" => (&["source", "target"], &[]),
            "global_mount" | "mount" => (&["special", "directory", "type"], &["opt"]),
            other => return Err(format!("unknown element {other}").into()),
        };
        for attribute in child.attributes.keys() {
            let known =
                needed.contains(&attribute.as_str()) || allowed.contains(&attribute.as_str());
            assert!(known, "{child:?}");
        }
        assert!(needed.iter().all(|name| child.attributes.contains_key(*name)), "{child:?}");
        let exclusive = child.attributes.get("ip-type").is_some_and(|t| t == "exclusive");
        let suffix = if exclusive { " exclusive" } else { "" };
        *counts.entry(format!("{}{suffix}", child.name)).or_default() += 1;
        if child.attributes.get("type").is_some_and(|t| t == "lofs") {
            lofs.push((child.attributes["special"].clone(), child.attributes["directory"].clone()));
        }
    }
    let expected = [
        ("device", 54),
        ("device exclusive", 27),
        ("global_mount", 4),
        ("mount", 6),
        ("symlink", 9),
    ];
    assert_eq!(counts, expected.map(|(name, count)| (name.into(), count)).into());
    // the links that an installation makes lead there
    for tree in brand::rules::TREES {
        let mount = (format!("/{tree}"), format!("/system/{tree}"));
        assert!(lofs.contains(&mount), "{tree}");
    }
    Ok(())
}

#[test]
fn baseline_xml_runs_the_packaged_program() -> Result {
    let (_, elements) = read("files/baseline.xml")?;
    let start = elements
        .iter()
        .find(|e| e.name == "exec_method" && e.attributes["name"] == "start")
        .ok_or("no start method")?;
    assert!(start.attributes["exec"].starts_with("/usr/lib/brand/omicron1/baseline "));
    let service = elements.iter().find(|e| e.name == "service").ok_or("no service")?;
    assert_eq!(service.attributes["name"], "system/omicron/baseline");
    Ok(())
}

#[test]
fn xml_files_are_well_formed_for_xmllint() -> Result {
    let Some(mut xmllint) = verifiers::require("xmllint") else { return Ok(()) };
    let names = ["files/config.xml", "files/platform.xml", "files/baseline.xml"];
    let output = xmllint.args(["--noout", "--nonet"]).args(names.map(file)).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn mandoc_has_nothing_to_say_about_the_manual_page() -> Result {
    let Some(mut mandoc) = verifiers::require("mandoc") else { return Ok(()) };
    let output = mandoc.args(["-T", "lint", "-W", "style"]).arg(file("man/omicron1.7")).output()?;
    // the manuals of illumos are not here
    let text = String::from_utf8(output.stdout)?;
    let found: Vec<&str> =
        text.lines().filter(|line| !line.contains("referenced manual not found")).collect();
    assert_eq!(found, [""; 0]);
    Ok(())
}
