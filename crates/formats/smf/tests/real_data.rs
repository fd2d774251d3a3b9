//! Real manifests and profiles, where there are some: a directory named by `RELENG_SMF_DATA` is
//! walked and each `.xml` file in it must read without findings.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data shall fail")]

use std::path::{Path, PathBuf};

use smf::Bundle;

fn xml_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            xml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            found.push(path);
        }
    }
}

#[test]
fn real_bundles_have_no_findings() {
    let Some(directory) = std::env::var_os("RELENG_SMF_DATA") else { return };
    let mut files = Vec::new();
    xml_files(Path::new(&directory), &mut files);
    assert!(!files.is_empty(), "no .xml file below RELENG_SMF_DATA");
    let mut services = 0;
    let mut findings = Vec::new();
    for file in &files {
        match Bundle::parse(&std::fs::read(file).unwrap(), &file.to_string_lossy()) {
            Ok(bundle) => {
                services += bundle.services.len();
                findings.extend(bundle.findings.iter().map(ToString::to_string));
            }
            Err(error) => findings.push(error.to_string()),
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    println!("{} bundles, {services} services", files.len());
}
