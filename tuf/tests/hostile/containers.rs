//! Zips that are no plain zips.

use super::*;

#[test]
fn containers() {
    type Change = fn(&mut RawZip);
    let cases: &[(&str, Change, &str, &str)] = &[
        ("trailing bytes", |z| z.after = b"\0".to_vec(), "zip-end", "archive"),
        ("an archive comment", |z| z.comment = b"hello".to_vec(), "zip-end", "archive"),
        ("leading bytes", |z| z.before = b"MZ".to_vec(), "zip-gap", "repo/metadata/1.root.json"),
        ("a wrong count", |z| z.count = 1, "zip-directory", "archive"),
        ("an empty archive", |z| z.entries.clear(), "tuf-missing", "1.root.json"),
        (
            "an entry twice",
            |z| {
                let copy = RawEntry::new(NTP, z.entry(NTP).data.clone());
                z.entries.push(copy);
            },
            "zip-duplicate",
            NTP,
        ),
        (
            "an entry twice with other contents",
            |z| z.entries.insert(0, RawEntry::new(NTP, b"other".to_vec())),
            "zip-duplicate",
            NTP,
        ),
        (
            "names that differ in case",
            |z| z.entries.push(RawEntry::new("repo/targets/zones/NTP.tar.gz", Vec::new())),
            "zip-duplicate",
            "NTP",
        ),
        (
            "a file that is a folder",
            |z| z.entries.push(RawEntry::new("repo/targets/zones", Vec::new())),
            "zip-duplicate",
            "zones",
        ),
        (
            "an unsigned target",
            |z| z.entries.push(RawEntry::new("repo/targets/extra", Vec::new())),
            "zip-unsigned",
            "repo/targets/extra",
        ),
        (
            "unsigned metadata",
            |z| z.entries.push(RawEntry::new("repo/metadata/3.root.json", b"{}".to_vec())),
            "zip-unsigned",
            "3.root.json",
        ),
        (
            "a file outside",
            |z| z.entries.push(RawEntry::new("README", Vec::new())),
            "zip-name",
            "README",
        ),
        (
            "a path upwards",
            |z| z.entries.push(RawEntry::new("repo/targets/../../etc/passwd", Vec::new())),
            "zip-name",
            "etc/passwd",
        ),
        (
            "an absolute name",
            |z| z.entries.push(RawEntry::new("/repo/targets/x", Vec::new())),
            "zip-name",
            "/repo",
        ),
        (
            "a backslash",
            |z| z.entries.push(RawEntry::new("repo/targets/..\\x", Vec::new())),
            "zip-name",
            "..\\x",
        ),
        (
            "a NUL",
            |z| z.entries.push(RawEntry::new("repo/targets/x\0y", Vec::new())),
            "zip-name",
            "repo/targets/x",
        ),
        (
            "a name in need of normalizing",
            |z| z.entry(NTP).name = "repo/targets/x/../zones/ntp.tar.gz".to_owned(),
            "zip-name",
            "x/../zones",
        ),
        ("a symlink", |z| z.entry(ROM).attributes = 0o120_777 << 16, "zip-type", ROM),
        ("a device", |z| z.entry(ROM).attributes = 0o020_666 << 16, "zip-type", ROM),
        ("a fifo", |z| z.entry(ROM).attributes = 0o010_666 << 16, "zip-type", ROM),
        (
            "a folder entry",
            |z| z.entries.push(RawEntry::new("repo/targets/zones/", Vec::new())),
            "zip-type",
            "repo/targets/zones/",
        ),
        ("a folder by its attributes", |z| z.entry(ROM).attributes |= 0x10, "zip-type", ROM),
        (
            "an encrypted entry",
            |z| {
                z.entry(ROM).flags = 1;
                z.entry(ROM).local_flags = 1;
            },
            "zip-header",
            ROM,
        ),
        ("an unknown flag", |z| z.entry(ROM).flags = 0x2000, "zip-header", ROM),
        ("a comment", |z| z.entry(ROM).comment = b"x".to_vec(), "zip-header", ROM),
        (
            "another name in an extra field",
            |z| z.entry(ROM).extra = b"\x75\x70\x01\0x".to_vec(),
            "zip-header",
            ROM,
        ),
        ("zip64 sizes", |z| z.entry(ROM).extra = b"\x01\0\0\0".to_vec(), "zip-header", ROM),
        (
            "a broken extra field",
            |z| z.entry(ROM).extra = b"UT\xff\xff".to_vec(),
            "zip-header",
            ROM,
        ),
        ("a socket", |z| z.entry(ROM).attributes = 0o140_666 << 16, "zip-type", ROM),
        ("a setuid file", |z| z.entry(ROM).attributes = 0o104_755 << 16, "zip-type", ROM),
        ("the size that stands for another", |z| z.entry(ROM).size = u32::MAX, "zip-size", ROM),
        (
            "a name that is read from the right",
            |z| z.entries.push(RawEntry::new("repo/targets/\u{202e}gpj.x", Vec::new())),
            "zip-name",
            "gpj.x",
        ),
        (
            "a name of thousands of folders",
            |z| {
                let name = format!("repo/targets/{}x", "a/".repeat(30_000));
                z.entries.push(RawEntry::new(&name, Vec::new()));
            },
            "zip-name",
            "a/a/a",
        ),
        ("no name", |z| z.entries.push(RawEntry::new("", Vec::new())), "zip-name", ""),
        ("bzip2", |z| z.entry(ROM).method = 12, "zip-method", ROM),
        (
            "another local name",
            |z| z.entry(ROM).local_name = ROM.replace("cosmo", "gimle"),
            "zip-local",
            ROM,
        ),
        ("another local checksum", |z| z.entry(ROM).local_crc32 ^= 1, "zip-local", ROM),
        ("other local flags", |z| z.entry(ROM).local_flags = 8, "zip-local", ROM),
        (
            "a missing descriptor",
            |z| {
                z.entry(ROM).local_flags = 8;
                z.entry(ROM).flags = 8;
            },
            "zip-local",
            ROM,
        ),
        (
            "shared data",
            |z| {
                let mut copy = RawEntry::new(ROM, z.entry(ROM).data.clone());
                copy.same_place = true;
                copy.name = "repo/targets/os-host/other.txt".to_owned();
                let at = z.entries.iter().position(|e| e.name == ROM).unwrap();
                z.entries.insert(at + 1, copy);
            },
            "zip-overlap",
            "repo/targets/os-host",
        ),
        ("bytes that belong to nothing", |z| z.entry(ROM).gap_before = 3, "zip-gap", ROM),
        ("two sizes of stored data", |z| z.entry(ROM).size -= 1, "zip-size", ROM),
        (
            "a bomb",
            |z| {
                z.entry(ROM).method = 8;
                z.entry(ROM).data = vec![0; 10];
                z.entry(ROM).size = 0xffff_fff0;
            },
            "zip-size",
            ROM,
        ),
        (
            "a wrong checksum",
            |z| {
                z.entry(ROM).crc32 ^= 1;
                z.entry(ROM).local_crc32 ^= 1;
            },
            "zip-data",
            "os-host/cosmo.rom",
        ),
        ("a flipped bit", |z| z.entry(ROM).data[100] ^= 1, "zip-data", "os-host/cosmo.rom"),
        (
            "a flipped bit with the right checksum",
            |z| {
                let mut data = z.entry(ROM).data.clone();
                data[100] ^= 1;
                *z.entry(ROM) = RawEntry::new(ROM, data);
            },
            "target-hash",
            "os-host/cosmo.rom",
        ),
        (
            "damaged deflate",
            |z| {
                z.entry(ROM).method = 8;
                z.entry(ROM).data = vec![0xff; z.entry(ROM).data.len() / 2];
            },
            "zip-data",
            "os-host/cosmo.rom",
        ),
        (
            "bytes after the end of deflate",
            |z| {
                let data = z.entry(ROM).data.clone();
                let mut encoder =
                    flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
                std::io::Write::write_all(&mut encoder, &data).unwrap();
                z.entry(ROM).method = 8;
                z.entry(ROM).data = encoder.finish().unwrap();
                z.entry(ROM).data.extend(b"hidden");
            },
            "zip-data",
            "os-host/cosmo.rom",
        ),
        (
            "a truncated target",
            |z| {
                let mut data = z.entry(ROM).data.clone();
                data.pop();
                *z.entry(ROM) = RawEntry::new(ROM, data);
            },
            "target-length",
            "os-host/cosmo.rom",
        ),
        (
            "a missing target",
            |z| z.entries.retain(|e| e.name != ROM),
            "target-missing",
            "os-host/cosmo.rom",
        ),
        (
            "a missing root",
            |z| z.entries.retain(|e| !e.name.contains("root")),
            "tuf-missing",
            "1.root.json",
        ),
        (
            "a missing timestamp",
            |z| z.entries.retain(|e| !e.name.contains("timestamp")),
            "tuf-missing",
            "timestamp",
        ),
        (
            "a missing snapshot",
            |z| z.entries.retain(|e| !e.name.contains("snapshot")),
            "tuf-missing",
            "snapshot",
        ),
        (
            "missing targets",
            |z| z.entries.retain(|e| !e.name.contains("targets.json")),
            "tuf-missing",
            "targets.json",
        ),
    ];
    let ground = Ground::new();
    for (case, change, id, subject) in cases {
        let mut zip = ground.forge().zip();
        change(&mut zip);
        refused(case, &ground.verify_bytes(&zip.bytes()), id, subject);
    }
}

#[test]
fn whole_files() {
    let ground = Ground::new();
    let good = std::fs::read(&ground.zip).unwrap();
    refused("empty", &ground.verify_bytes(b""), "zip-end", "archive");
    refused("noise", &ground.verify_bytes(&[0x5a; 5000]), "zip-end", "archive");
    for cut in [1, 21, 22, 23, 500, good.len() / 2, good.len() - 10] {
        refused("cut", &ground.verify_bytes(&good[..good.len() - cut]), "zip-end", "archive");
    }
    let mut hole = good.clone();
    hole.drain(1000..1100);
    refused("a hole", &ground.verify_bytes(&hole), "zip-directory", "archive");
    let mut prefixed = b"#!/bin/sh\n".to_vec();
    prefixed.extend(&good);
    refused("a prefix", &ground.verify_bytes(&prefixed), "zip-directory", "archive");
}

/// No flipped bit that means anything goes unseen. What is left are permissions, which nobody
/// applies, and the version of the maker. (Entries are stored here: deflate has several forms of
/// the same bytes, and what is signed are the bytes.)
#[test]
fn flipped_bits() {
    let ground = Ground::new();
    let good = ground.forge().zip().bytes();
    let mut state = 12345_usize;
    let mut unseen = Vec::new();
    for round in 0..400 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Every other bit in the headers at the end.
        let range = if round % 2 == 0 { good.len() } else { 6000 };
        let at = good.len() - 1 - (state >> 20) % range;
        let mut bad = good.clone();
        bad[at] ^= 1 << (state >> 60 & 7);
        if ground.verify_bytes(&bad).outcome().is_ok() {
            // Central directory headers come last; nothing before them is without meaning.
            let header = good[..at].windows(4).rposition(|w| w == b"PK\x01\x02");
            unseen.push(header.map_or(at, |header| at - header));
        }
    }
    assert!(
        unseen.iter().all(|at| [4, 36, 38, 40, 41].contains(at)),
        "unseen at {unseen:?} of a header"
    );
}
