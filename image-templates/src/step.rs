//! The steps of a template, as they are after reading and expansion.

use proto::ProtoPath;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The boot environment of a pool image.
    CreateBe,
    /// A further dataset of a pool image.
    CreateDataset {
        /// Its name below the pool.
        name: String,
        /// Where it will be mounted.
        mountpoint: Option<String>,
    },
    /// Takes the state that another template left as a snapshot. Not part of image-builder: there
    /// the state goes through a tar archive.
    CloneSnapshot {
        /// The dataset.
        name: String,
        /// The snapshot.
        snapshot: String,
    },
    /// Removes what a path or pattern names.
    RemoveFiles {
        /// What to remove.
        what: Removal,
        /// Whether it may be absent.
        optional: bool,
    },
    /// Unpacks a tar archive of the output directory.
    UnpackTar {
        /// The archive.
        name: String,
        /// Not into the image, but beside it, as the source of `tarsrc`.
        into_tmp: bool,
    },
    /// Packs the image, or parts of it, into a tar archive in the output directory.
    PackTar {
        /// The archive.
        name: String,
        /// The members; everything if empty.
        include: Vec<String>,
    },
    /// Moves the image to another build of the operating system.
    Onu {
        /// The repository.
        repo: String,
        /// Its publisher.
        publisher: String,
        /// Packages to remove first.
        uninstall: Vec<String>,
    },
    /// Fills `/dev` and `/devices`.
    Devfsadm,
    /// Concatenates the files of a directory.
    AssembleFiles {
        /// The directory.
        dir: ProtoPath,
        /// The file to write.
        output: ProtoPath,
        /// How the names of the files begin.
        prefix: Option<String>,
    },
    /// Sets a password.
    Shadow {
        /// The user.
        username: String,
        /// The second field of the line; nothing changes without one.
        password: Option<String>,
    },
    /// Compresses a file of the output directory into the image.
    Gzip {
        /// The file in the output directory.
        src: String,
        /// The file in the image.
        target: ProtoPath,
        /// Owner, group, mode.
        permissions: Permissions,
    },
    /// Writes the digest of a file of the output directory into the image.
    Digest {
        /// The digest's algorithm.
        algorithm: Algorithm,
        /// The file in the output directory.
        src: String,
        /// The file in the image.
        target: ProtoPath,
        /// Owner, group, mode.
        permissions: Permissions,
    },
    /// Makes a symbolic link what it should be.
    EnsureSymlink {
        /// The link.
        link: ProtoPath,
        /// Its text.
        target: String,
        /// Owner.
        owner: String,
        /// Group.
        group: String,
    },
    /// Sets owner, group and mode of what is there.
    EnsurePerms {
        /// The path.
        path: ProtoPath,
        /// Owner, group, mode.
        permissions: Permissions,
    },
    /// Makes a directory what it should be.
    EnsureDirectory {
        /// The directory.
        dir: ProtoPath,
        /// Owner, group, mode.
        permissions: Permissions,
    },
    /// Makes a file what it should be.
    EnsureFile {
        /// The file.
        file: ProtoPath,
        /// Where its content comes from.
        source: Source,
        /// Owner, group, mode.
        permissions: Permissions,
    },
    /// Makes the pool bootable.
    MakeBootable,
    /// A step for the package system.
    Packages(PackageStep),
    /// The service repository.
    SeedSmf {
        /// Whether the restarter logs more.
        debug: bool,
        /// The profiles, by name: `generic`, `platform`, `site`.
        profiles: Vec<String>,
        /// The seed in the image to start from; `None` with `skip_seed`.
        seed: Option<String>,
        /// Whether profiles may be absent.
        optional: bool,
    },
}

/// What `remove_files` removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// One file or link.
    File(ProtoPath),
    /// A directory with everything in it.
    Directory(ProtoPath),
    /// Every regular file of the image whose name matches a shell pattern.
    Pattern(String),
}

/// Where the content of a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file beside the templates.
    Template(std::path::PathBuf),
    /// A file in an external source tree.
    External(String),
    /// A file in the output directory.
    Output(String),
    /// A file of the image.
    Image(ProtoPath),
    /// A file of an archive unpacked with `into_tmp`.
    Tar(ProtoPath),
    /// A text in the template.
    Contents(String),
}

/// Owner and group by name, and a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// The owner's name.
    pub owner: String,
    /// The group's name.
    pub group: String,
    /// The low twelve bits.
    pub mode: u32,
}

/// An algorithm of the `digest` step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// MD5.
    Md5,
}

/// A step for the package system, carried out by [`crate::Packages`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageStep {
    /// `pkg image-create`
    ImageCreate {
        /// A first publisher and its origin.
        publisher: Option<(String, String)>,
    },
    /// `pkg set-publisher`
    SetPublisher {
        /// The publisher.
        publisher: String,
        /// Its origins.
        uris: Vec<String>,
        /// Its mirror.
        mirror_uri: Option<String>,
    },
    /// `pkg approve-ca-cert`
    ApproveCaCert {
        /// The publisher.
        publisher: String,
        /// The certificate.
        certfile: String,
    },
    /// `pkg set-property`
    SetProperty {
        /// The property.
        name: String,
        /// Its value.
        value: String,
    },
    /// `pkg install`
    Install {
        /// What to install.
        pkgs: Vec<String>,
        /// Whether to install their optional dependencies afterwards.
        include_optional: bool,
        /// Whether to drop the publishers of those.
        strip_optional_publishers: bool,
    },
    /// `pkg uninstall`
    Uninstall {
        /// What to remove.
        pkgs: Vec<String>,
    },
    /// `pkg change-variant`
    ChangeVariant {
        /// The variant, without `variant.`.
        variant: String,
        /// Its value.
        value: String,
    },
    /// `pkg change-facet`
    ChangeFacet {
        /// The facet, without `facet.`.
        facet: String,
        /// `true` or `false`.
        value: String,
    },
    /// `pkg purge-history`
    PurgeHistory,
}

impl Step {
    /// The step's type, as templates write it.
    pub fn word(&self) -> &'static str {
        match self {
            Step::CreateBe => "create_be",
            Step::CreateDataset { .. } => "create_dataset",
            Step::CloneSnapshot { .. } => "clone_snapshot",
            Step::RemoveFiles { .. } => "remove_files",
            Step::UnpackTar { .. } => "unpack_tar",
            Step::PackTar { .. } => "pack_tar",
            Step::Onu { .. } => "onu",
            Step::Devfsadm => "devfsadm",
            Step::AssembleFiles { .. } => "assemble_files",
            Step::Shadow { .. } => "shadow",
            Step::Gzip { .. } => "gzip",
            Step::Digest { .. } => "digest",
            Step::EnsureSymlink { .. } => "ensure_symlink",
            Step::EnsurePerms { .. } => "ensure_perms",
            Step::EnsureDirectory { .. } => "ensure_directory",
            Step::EnsureFile { .. } => "ensure_file",
            Step::MakeBootable => "make_bootable",
            Step::Packages(step) => step.word(),
            Step::SeedSmf { .. } => "seed_smf",
        }
    }

    /// What the step is about, in a few words: a path, a name, a list of packages.
    pub fn subject(&self) -> String {
        match self {
            Step::CreateBe | Step::Devfsadm | Step::MakeBootable => String::new(),
            Step::CreateDataset { name, .. } => name.clone(),
            Step::CloneSnapshot { name, snapshot } => format!("{name}@{snapshot}"),
            Step::RemoveFiles { what, optional } => {
                let may = if *optional { " (may be absent)" } else { "" };
                match what {
                    Removal::File(path) => format!("/{path}{may}"),
                    Removal::Directory(path) => format!("/{path}/{may}"),
                    Removal::Pattern(pattern) => pattern.clone(),
                }
            }
            Step::UnpackTar { name, .. } => name.clone(),
            Step::PackTar { name, include } if include.is_empty() => name.clone(),
            Step::PackTar { name, include } => format!("{name}: {}", include.join(" ")),
            Step::Onu { repo, .. } => repo.clone(),
            Step::AssembleFiles { output, .. } => format!("/{output}"),
            Step::Shadow { username, .. } => username.clone(),
            Step::Gzip { src, target, .. } | Step::Digest { src, target, .. } => {
                format!("/{target} from {src}")
            }
            Step::EnsureSymlink { link, target, .. } => format!("/{link} -> {target}"),
            Step::EnsurePerms { path, permissions } => format!("/{path} {permissions}"),
            Step::EnsureDirectory { dir, permissions } => format!("/{dir}/ {permissions}"),
            Step::EnsureFile { file, source, permissions } => {
                format!("/{file} {permissions} from {source}")
            }
            Step::Packages(step) => step.subject(),
            Step::SeedSmf { profiles, .. } => profiles.join(" "),
        }
    }
}

impl PackageStep {
    fn word(&self) -> &'static str {
        match self {
            PackageStep::ImageCreate { .. } => "pkg_image_create",
            PackageStep::SetPublisher { .. } => "pkg_set_publisher",
            PackageStep::ApproveCaCert { .. } => "pkg_approve_ca_cert",
            PackageStep::SetProperty { .. } => "pkg_set_property",
            PackageStep::Install { .. } => "pkg_install",
            PackageStep::Uninstall { .. } => "pkg_uninstall",
            PackageStep::ChangeVariant { .. } => "pkg_change_variant",
            PackageStep::ChangeFacet { .. } => "pkg_change_facet",
            PackageStep::PurgeHistory => "pkg_purge_history",
        }
    }

    fn subject(&self) -> String {
        match self {
            PackageStep::ImageCreate { publisher: Some((name, uri)) } => format!("{name} {uri}"),
            PackageStep::ImageCreate { publisher: None } | PackageStep::PurgeHistory => {
                String::new()
            }
            PackageStep::SetPublisher { publisher, uris, .. } => {
                format!("{publisher} {}", uris.join(" "))
            }
            PackageStep::ApproveCaCert { publisher, certfile } => format!("{publisher} {certfile}"),
            PackageStep::SetProperty { name, value } => format!("{name}={value}"),
            PackageStep::Install { pkgs, .. } | PackageStep::Uninstall { pkgs } => pkgs.join(" "),
            PackageStep::ChangeVariant { variant, value } => format!("{variant}={value}"),
            PackageStep::ChangeFacet { facet, value } => format!("{facet}={value}"),
        }
    }
}

impl std::fmt::Display for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} {:04o}", self.owner, self.group, self.mode)
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Template(path) => write!(f, "src {}", path.display()),
            Source::External(name) => write!(f, "extsrc {name}"),
            Source::Output(name) => write!(f, "outputsrc {name}"),
            Source::Image(path) => write!(f, "imagesrc /{path}"),
            Source::Tar(path) => write!(f, "tarsrc {path}"),
            Source::Contents(text) => write!(f, "{} bytes of the template", text.len()),
        }
    }
}
