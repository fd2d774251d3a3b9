//! The environment: the only place where this program looks at the clock, at variables and at the
//! state of its own checkout.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::failure::Failure;

/// The root of the workspace this program was built from.
pub(crate) fn workspace() -> PathBuf {
    // cargo sets the variable when it runs this program; the compiled-in path serves when
    // somebody runs the binary by hand.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map(Path::to_owned).unwrap_or(manifest)
}

/// The clock of a run, read once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BuildClock {
    /// The time of the build, in whole seconds.
    pub(crate) time: Timestamp,
    /// Whether `SOURCE_DATE_EPOCH` gave it.
    pub(crate) given: bool,
}

impl BuildClock {
    /// `SOURCE_DATE_EPOCH`, else now.
    pub(crate) fn read() -> Result<Self, Failure> {
        match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => {
                let time = text
                    .trim()
                    .parse::<i64>()
                    .ok()
                    .and_then(|seconds| Timestamp::from_second(seconds).ok())
                    .ok_or_else(|| {
                        Failure::usage(format!(
                            "SOURCE_DATE_EPOCH={text}: expected seconds since 1970"
                        ))
                    })?;
                Ok(Self { time, given: true })
            }
            Err(_) => {
                let now = Timestamp::now();
                let time = Timestamp::from_second(now.as_second()).unwrap_or(now);
                Ok(Self { time, given: false })
            }
        }
    }

    /// Seconds since the epoch.
    pub(crate) fn seconds(self) -> i64 {
        self.time.as_second()
    }
}

/// The commit this workspace stands at.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Checkout {
    /// The full hash; none outside git.
    pub(crate) commit: Option<String>,
    /// Whether tracked files differ from the commit.
    pub(crate) dirty: bool,
}

impl Checkout {
    /// Asks git about a directory.
    pub(crate) fn read(directory: &Path) -> Self {
        let git = |arguments: &[&str]| {
            duct::cmd("git", arguments).dir(directory).stderr_null().stdin_null().read().ok()
        };
        let commit = git(&["rev-parse", "HEAD"]).filter(|hash| hash.len() >= 40);
        let status = git(&["status", "--porcelain", "--untracked-files=no"]);
        Self { commit, dirty: status.is_some_and(|text| !text.is_empty()) }
    }

    /// The first `length` digits of the commit, or `unknown`.
    pub(crate) fn short(&self, length: usize) -> &str {
        self.commit.as_deref().and_then(|hash| hash.get(..length)).unwrap_or("unknown")
    }
}

/// Whether this is a CI run.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Cargo's home directory.
pub(crate) fn cargo_home() -> PathBuf {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => home.into(),
        None => std::env::home_dir().unwrap_or_default().join(".cargo"),
    }
}

/// Where cargo builds this workspace.
pub(crate) fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace().join(directory),
        None => workspace().join("target"),
    }
}

/// What the environment says of the network, in the words that curl understands as well.
#[derive(Debug, Default)]
pub(crate) struct NetworkVariables {
    pub(crate) http_proxy: Option<String>,
    pub(crate) https_proxy: Option<String>,
    pub(crate) all_proxy: Option<String>,
    pub(crate) no_proxy: Option<String>,
    /// Certification authorities besides the system's.
    pub(crate) certificates: Option<PathBuf>,
}

/// Reads proxies and authorities.
pub(crate) fn network() -> NetworkVariables {
    let variable = |name: &str| {
        // `HTTP_PROXY` could come from a request that a web server passes on; only the lower-case
        // one is believed.
        let upper = (name != "http_proxy").then(|| name.to_ascii_uppercase());
        std::env::var(name)
            .ok()
            .or_else(|| std::env::var(upper?).ok())
            .filter(|value| !value.is_empty())
    };
    NetworkVariables {
        http_proxy: variable("http_proxy"),
        https_proxy: variable("https_proxy"),
        all_proxy: variable("all_proxy"),
        no_proxy: variable("no_proxy"),
        certificates: std::env::var_os("SSL_CERT_FILE").map(PathBuf::from),
    }
}

/// The hook program of the published brand, to measure against: `RELENG_PUBLISHED_BRAND`.
pub(crate) fn published_brand() -> Option<PathBuf> {
    std::env::var_os("RELENG_PUBLISHED_BRAND").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where what was fetched is kept: `RELENG_CACHE`, else what a config or a flag gives, else a
/// directory of the user's caches.
pub(crate) fn cache_directory(given: Option<&Path>) -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy as _;
    if let Some(directory) = std::env::var_os("RELENG_CACHE").filter(|value| !value.is_empty()) {
        return Ok(directory.into());
    }
    if let Some(directory) = given {
        return Ok(directory.to_owned());
    }
    let user = etcetera::choose_base_strategy().map_err(|error| {
        Failure::usage(format!("cannot tell where your caches are: {error}"))
            .hint("set HOME, or RELENG_CACHE to a directory")
    })?;
    Ok(user.cache_dir().join("xtask-releng"))
}
