//! From the JSON of a step or section to its type.

use crate::fields::Fields;
use crate::finding::suggestion;
use crate::search::stays_below;
use crate::step::{Algorithm, PackageStep, Removal, Source, Step};
use crate::{Dataset, PoolDescription, Search, Section};

/// Every step type with its keys, beside the common `t`, `with` and `without`.
const STEPS: &[(&str, &[&str])] = &[
    ("include", &["name", "file"]),
    ("create_be", &[]),
    ("create_dataset", &["name", "mountpoint"]),
    ("clone_snapshot", &["name", "snapshot"]),
    ("remove_files", &["file", "dir", "pattern", "optional"]),
    ("unpack_tar", &["name", "into_tmp"]),
    ("pack_tar", &["name", "include"]),
    ("onu", &["repo", "publisher", "uninstall"]),
    ("devfsadm", &[]),
    ("assemble_files", &["dir", "output", "prefix"]),
    ("shadow", &["username", "password"]),
    ("gzip", &["src", "target", "owner", "group", "mode"]),
    ("digest", &["algorithm", "src", "target", "owner", "group", "mode"]),
    ("ensure_symlink", &["link", "target", "owner", "group"]),
    ("ensure_perms", &["path", "owner", "group", "mode"]),
    ("ensure_directory", &["dir", "owner", "group", "mode"]),
    ("ensure_dir", &["dir", "owner", "group", "mode"]),
    (
        "ensure_file",
        &[
            "file",
            "owner",
            "group",
            "mode",
            "src",
            "extsrc",
            "outputsrc",
            "imagesrc",
            "tarsrc",
            "contents",
        ],
    ),
    ("make_bootable", &[]),
    ("pkg_image_create", &["publisher", "uri"]),
    ("pkg_set_publisher", &["publisher", "uri", "uris", "mirror_uri"]),
    ("pkg_approve_ca_cert", &["publisher", "certfile"]),
    ("pkg_set_property", &["name", "value"]),
    ("pkg_install", &["pkgs", "include_optional", "strip_optional_publishers"]),
    ("pkg_uninstall", &["pkgs"]),
    ("pkg_change_variant", &["variant", "value"]),
    ("pkg_change_facet", &["facet", "value"]),
    ("pkg_purge_history", &[]),
    ("seed_smf", &["debug", "apply_site", "apply_profiles", "seed", "skip_seed", "optional"]),
];

/// The keys every step may have.
const COMMON: [&str; 3] = ["t", "with", "without"];

/// Where the content of a file may come from, in the order of preference.
const SOURCES: [&str; 6] = ["src", "extsrc", "outputsrc", "imagesrc", "tarsrc", "contents"];

/// Checks the type of a step and that it has no other keys than it may have.
pub(crate) fn check_keys(fields: &mut Fields<'_, '_, '_>, kind: &str) -> bool {
    let Some((_, keys)) = STEPS.iter().find(|(name, _)| *name == kind) else {
        let hint = suggestion(kind, STEPS.iter().map(|(name, _)| *name));
        fields.report.error(fields.line, format!("unknown step `{kind}`{hint}"));
        return false;
    };
    let known: Vec<&str> = COMMON.iter().chain(*keys).copied().collect();
    fields.only(&known);
    true
}

/// Reads a step whose type and keys are known; `include` is not a step of this kind.
pub(crate) fn step(kind: &str, f: &mut Fields<'_, '_, '_>, search: &Search) -> Option<Step> {
    Some(match kind {
        "create_be" => Step::CreateBe,
        "create_dataset" => Step::CreateDataset {
            name: f.plain("name")?.to_owned(),
            mountpoint: f.plain_opt("mountpoint").map(str::to_owned),
        },
        "clone_snapshot" => {
            Step::CloneSnapshot { name: f.text("name")?, snapshot: f.text("snapshot")? }
        }
        "remove_files" => remove_files(f)?,
        "unpack_tar" => Step::UnpackTar {
            name: name_in_output(f, "name")?,
            into_tmp: f.boolean("into_tmp", false)?,
        },
        "pack_tar" => {
            Step::PackTar { name: name_in_output(f, "name")?, include: f.list("include", false)? }
        }
        "onu" => Step::Onu {
            repo: f.text("repo")?,
            publisher: f.text("publisher")?,
            uninstall: f.list("uninstall", false)?,
        },
        "devfsadm" => Step::Devfsadm,
        "assemble_files" => Step::AssembleFiles {
            dir: f.path("dir")?,
            output: f.path("output")?,
            prefix: f.plain_opt("prefix").map(str::to_owned),
        },
        "shadow" => Step::Shadow {
            username: f.plain("username")?.to_owned(),
            password: f.plain_opt("password").map(str::to_owned),
        },
        "gzip" => {
            let permissions = f.permissions();
            Step::Gzip {
                src: name_in_output(f, "src")?,
                target: f.path_text("target")?,
                permissions: permissions?,
            }
        }
        "digest" => {
            let permissions = f.permissions();
            Step::Digest {
                algorithm: algorithm(f)?,
                src: name_in_output(f, "src")?,
                target: f.path_text("target")?,
                permissions: permissions?,
            }
        }
        "ensure_symlink" => {
            let (owner, group) = (f.account("owner"), f.account("group"));
            Step::EnsureSymlink {
                link: f.path("link")?,
                target: f.plain("target")?.to_owned(),
                owner: owner?,
                group: group?,
            }
        }
        "ensure_perms" => {
            let permissions = f.permissions();
            Step::EnsurePerms { path: f.path("path")?, permissions: permissions? }
        }
        "ensure_directory" | "ensure_dir" => {
            let permissions = f.permissions();
            Step::EnsureDirectory { dir: f.path("dir")?, permissions: permissions? }
        }
        "ensure_file" => {
            let permissions = f.permissions();
            let file = f.path_text("file");
            let source = source(f, search)?;
            Step::EnsureFile { file: file?, source, permissions: permissions? }
        }
        "make_bootable" => Step::MakeBootable,
        "seed_smf" => seed_smf(f)?,
        _ => Step::Packages(package_step(kind, f)?),
    })
}

fn remove_files(f: &mut Fields<'_, '_, '_>) -> Option<Step> {
    let given: Vec<&str> = ["file", "dir", "pattern"].into_iter().filter(|k| f.has(k)).collect();
    let [key] = given[..] else {
        let message = "`remove_files` needs exactly one of `file`, `dir` and `pattern`";
        f.report.error(f.line, message);
        return None;
    };
    let what = match key {
        "file" => Removal::File(f.path("file")?),
        "dir" => Removal::Directory(f.path("dir")?),
        _ => {
            let pattern = f.plain("pattern")?;
            if let Err(error) = globset::Glob::new(pattern) {
                f.report.error(f.line, format!("bad pattern: {error}"));
                return None;
            }
            Removal::Pattern(pattern.to_owned())
        }
    };
    if what == Removal::Directory(proto::ProtoPath::root()) {
        f.report.error(f.line, "`remove_files` cannot remove the root of the image");
        return None;
    }
    Some(Step::RemoveFiles { what, optional: f.boolean("optional", false)? })
}

/// A file in the output directory.
fn name_in_output(f: &mut Fields<'_, '_, '_>, key: &str) -> Option<String> {
    let name = f.text(key)?;
    relative(f, key, name)
}

fn relative(f: &mut Fields<'_, '_, '_>, key: &str, name: String) -> Option<String> {
    if stays_below(&name) {
        return Some(name);
    }
    let line = f.get(key).map_or(f.line, |v| v.line);
    f.report.error(line, format!("`{key}`: `{name}` is not a relative path without `..`"));
    None
}

fn algorithm(f: &mut Fields<'_, '_, '_>) -> Option<Algorithm> {
    match f.plain("algorithm")? {
        "sha1" => Some(Algorithm::Sha1),
        "md5" => Some(Algorithm::Md5),
        other => {
            f.report.error(f.line, format!("unknown algorithm `{other}`: use `sha1` or `md5`"));
            None
        }
    }
}

fn source(f: &mut Fields<'_, '_, '_>, search: &Search) -> Option<Source> {
    let given: Vec<&str> = SOURCES.into_iter().filter(|key| f.has(key)).collect();
    let Some(&key) = given.first() else {
        f.report.error(f.line, format!("`ensure_file` needs one of {}", SOURCES.join(", ")));
        return None;
    };
    if let [_, ignored @ ..] = &given[..]
        && !ignored.is_empty()
    {
        let message = format!("`{key}` is used and {} ignored; give only one", ignored.join(", "));
        f.report.warning(f.line, message);
    }
    if key == "contents" {
        return Some(Source::Contents(f.plain(key)?.to_owned()));
    }
    let name = f.text(key)?;
    if key == "imagesrc" {
        return Some(Source::Image(f.image_path(key, &name)?));
    }
    let name = relative(f, key, name)?;
    let line = f.get(key).map_or(f.line, |v| v.line);
    Some(match key {
        "src" => match search.source(&name) {
            Some(path) => Source::Template(path),
            None if !f.is_active() => Source::Contents(String::new()),
            None => {
                let places = search.source_places(&name).map(|p| p.display().to_string());
                let message =
                    format!("`src` file `{name}` is missing: no {}", places.join(", no "));
                f.report.error(line, message);
                return None;
            }
        },
        "extsrc" => {
            let there = search.external_source(&name).is_some() || search.is_promised(&name);
            if f.is_active() && !there {
                let message = match search.external_trees() {
                    [] => format!(
                        "`extsrc` file `{name}` is missing: no external source tree was given"
                    ),
                    trees => format!(
                        "`extsrc` file `{name}` is missing: not in {}",
                        trees
                            .iter()
                            .map(|t| t.display().to_string())
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                };
                f.report.error(line, message);
                return None;
            }
            Source::External(name)
        }
        "outputsrc" => Source::Output(name),
        _ => match proto::ProtoPath::new(&name) {
            Ok(path) => Source::Tar(path),
            Err(error) => {
                f.report.error(line, error.to_string());
                return None;
            }
        },
    })
}

fn package_step(kind: &str, f: &mut Fields<'_, '_, '_>) -> Option<PackageStep> {
    Some(match kind {
        "pkg_image_create" => {
            let publisher = f.plain_opt("publisher").map(str::to_owned);
            let publisher = match (publisher, f.text_opt("uri")) {
                (Some(publisher), Some(uri)) => Some((publisher, uri)),
                (None, None) => None,
                _ => {
                    f.report.error(
                        f.line,
                        "`pkg_image_create` needs both of `publisher` and `uri`, or none",
                    );
                    return None;
                }
            };
            PackageStep::ImageCreate { publisher }
        }
        "pkg_set_publisher" => {
            let publisher = f.text("publisher");
            let mut uris = f.list("uris", true)?;
            uris.splice(0..0, f.text_opt("uri"));
            let mirror_uri = f.text_opt("mirror_uri");
            if !["uri", "uris", "mirror_uri"].iter().any(|key| f.has(key)) {
                f.report.error(
                    f.line,
                    "`pkg_set_publisher` needs one of `uris`, `uri` and `mirror_uri`",
                );
                return None;
            }
            PackageStep::SetPublisher { publisher: publisher?, uris, mirror_uri }
        }
        "pkg_approve_ca_cert" => PackageStep::ApproveCaCert {
            publisher: f.plain("publisher")?.to_owned(),
            certfile: f.plain("certfile")?.to_owned(),
        },
        "pkg_set_property" => PackageStep::SetProperty {
            name: f.plain("name")?.to_owned(),
            value: f.plain("value")?.to_owned(),
        },
        "pkg_install" => PackageStep::Install {
            pkgs: f.list_required("pkgs", true)?,
            include_optional: f.boolean("include_optional", false)?,
            strip_optional_publishers: f.boolean("strip_optional_publishers", true)?,
        },
        "pkg_uninstall" => PackageStep::Uninstall { pkgs: f.list_required("pkgs", true)? },
        "pkg_change_variant" => PackageStep::ChangeVariant {
            variant: f.plain("variant")?.to_owned(),
            value: f.plain("value")?.to_owned(),
        },
        "pkg_change_facet" => {
            let value = f.plain("value")?;
            if !["true", "false", "none"].contains(&value.to_ascii_lowercase().as_str()) {
                let message = format!("a facet is `true`, `false` or `none`, not `{value}`");
                f.report.error(f.line, message);
                return None;
            }
            PackageStep::ChangeFacet {
                facet: f.plain("facet")?.to_owned(),
                value: value.to_ascii_lowercase(),
            }
        }
        "pkg_purge_history" => PackageStep::PurgeHistory,
        // `check_keys` let only names of the table through, and all others are handled.
        _ => return None,
    })
}

fn seed_smf(f: &mut Fields<'_, '_, '_>) -> Option<Step> {
    let mut profiles = f.list("apply_profiles", false)?;
    profiles.retain(|profile| !profile.trim().is_empty());
    if f.boolean("apply_site", false)? {
        if !profiles.is_empty() {
            f.report.error(f.line, "`apply_site` and `apply_profiles` exclude each other");
            return None;
        }
        profiles.push("site".into());
    }
    for profile in &profiles {
        if !["generic", "platform", "site"].contains(&profile.as_str()) {
            let hint = suggestion(profile, ["generic", "platform", "site"]);
            let message = format!("unknown profile `{profile}`: use generic, platform, site{hint}");
            f.report.error(f.line, message);
            return None;
        }
    }
    let skip = f.boolean("skip_seed", false)?;
    Some(Step::SeedSmf {
        debug: f.boolean("debug", false)?,
        profiles,
        seed: (!skip).then(|| f.plain_opt("seed").unwrap_or("global").to_owned()),
        optional: f.boolean("optional", false)?,
    })
}

/// The keys of a template beside `steps`, of which a main template has at most one.
pub(crate) const SECTIONS: [&str; 5] = ["dataset", "pool", "ufs", "pcfs", "iso"];

/// Reads a top-level section.
pub(crate) fn section(kind: &str, f: &mut Fields<'_, '_, '_>) -> Option<Section> {
    Some(match kind {
        "dataset" => {
            f.only(&["name", "input_snapshot", "output_snapshot"]);
            Section::Dataset(Dataset {
                name: f.text("name")?,
                input_snapshot: f.text_opt("input_snapshot"),
                output_snapshot: f.text_opt("output_snapshot"),
            })
        }
        "pool" => {
            f.only(&[
                "name",
                "bename",
                "ashift",
                "uefi",
                "size",
                "partition_only",
                "no_features",
                "compression",
                "label",
                "autoexpand",
                "trim",
                "options",
                "fsoptions",
            ]);
            Section::Pool(pool(f)?)
        }
        "ufs" => {
            f.only(&["size", "inode_density"]);
            Section::Ufs { size: f.number("size")?, inode_density: f.number("inode_density")? }
        }
        "pcfs" => {
            f.only(&["label", "size"]);
            Section::Pcfs { label: f.plain("label")?.to_owned(), size: f.number("size")? }
        }
        _ => {
            f.only(&["boot_bios", "boot_uefi", "volume_id", "hybrid"]);
            iso(f)?
        }
    })
}

fn pool(f: &mut Fields<'_, '_, '_>) -> Option<PoolDescription> {
    let ashift = f.number_or("ashift", 9)?;
    if !(9..=16).contains(&ashift) {
        f.report.error(f.line, format!("`ashift` is from 9 to 16, not {ashift}"));
        return None;
    }
    let mut properties = |key| {
        let list = f.list(key, false)?;
        for property in &list {
            if property.split_once('=').is_none_or(|(name, _)| name.is_empty()) {
                f.report.error(f.line, format!("`{key}`: `{property}` is not NAME=VALUE"));
                return None;
            }
        }
        Some(list)
    };
    let (options, fsoptions) = (properties("options")?, properties("fsoptions")?);
    Some(PoolDescription {
        name: f.plain("name")?.to_owned(),
        bename: f.plain_opt("bename").map(str::to_owned),
        ashift: ashift as u32,
        uefi: f.boolean("uefi", false)?,
        size: f.number("size")?,
        partition_only: f.boolean("partition_only", false)?,
        no_features: f.boolean("no_features", true)?,
        compression: f.plain_opt("compression").unwrap_or("on").to_owned(),
        label: f.boolean("label", true)?,
        autoexpand: f.boolean("autoexpand", false)?,
        trim: f.boolean("trim", true)?,
        options,
        fsoptions,
        boot_environment: false,
        bootable: false,
        datasets: Vec::new(),
    })
}

fn iso(f: &mut Fields<'_, '_, '_>) -> Option<Section> {
    let hybrid = match f.get("hybrid") {
        None => None,
        Some(value) => {
            let mut inner = Fields::new(value, "`hybrid`", f.report, None)?;
            inner.only(&["stage1", "stage2"]);
            Some((inner.plain("stage1")?.to_owned(), inner.plain("stage2")?.to_owned()))
        }
    };
    Some(Section::Iso {
        boot_bios: f.plain_opt("boot_bios").map(str::to_owned),
        boot_uefi: f.plain_opt("boot_uefi").map(str::to_owned),
        volume_id: f.text_opt("volume_id"),
        hybrid,
    })
}
