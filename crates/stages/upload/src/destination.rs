//! Where a repository goes.

use std::fmt;

use url::{Host, Url};

use crate::Error;

/// The two services that take a repository over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// The update service of a rack's technician port.
    Wicketd,
    /// The control plane.
    Nexus,
}

/// Where a repository goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// Wicket's captive shell.
    Wicket {
        /// The user; without one, the one that ssh chooses.
        user: Option<String>,
        /// Host name, address, or a name of the user's ssh configuration.
        host: String,
        /// The port; without one, the one that ssh chooses.
        port: Option<u16>,
    },
    /// A service.
    Http {
        /// Which.
        api: Api,
        /// Its base: scheme, host, port, and what comes before the paths of its interface.
        base: Url,
    },
}

/// The paths of the two interfaces.
const WICKETD: &str = "/repository";
const NEXUS: &str = "/v1/system/update/repositories";

impl Destination {
    /// Reads `ssh://[USER@]HOST[:PORT]`, `http://HOST…` or `https://HOST…`.
    ///
    /// Which service it is follows from `api`, else from the path of the address, else from whether
    /// there is a token to show: only Nexus wants one.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the address.
    pub fn parse(text: &str, api: Option<Api>, token: bool) -> Result<Self, Error> {
        let refuse = |problem: &str| Error::Destination {
            text: text.to_owned(),
            problem: problem.to_owned(),
        };
        let url = Url::parse(text).map_err(|error| {
            refuse(&format!("{error}; ssh://USER@HOST, http://HOST or https://HOST was expected"))
        })?;
        let plain = url.query().is_none() && url.fragment().is_none();
        match url.scheme() {
            "ssh" if api.is_some() => Err(refuse("SSH leads to Wicket, to no other service")),
            "ssh" => {
                if !matches!(url.path(), "" | "/") || !plain {
                    return Err(refuse("nothing can follow the host and port of SSH"));
                }
                if url.password().is_some() {
                    return Err(refuse("passwords do not belong on a command line; ssh asks"));
                }
                let host = match url.host() {
                    Some(Host::Ipv6(address)) => address.to_string(),
                    Some(host) => host.to_string(),
                    None => return Err(refuse("it names no host")),
                };
                let user = Some(url.username()).filter(|user| !user.is_empty());
                for word in user.iter().copied().chain([&host[..]]) {
                    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
                    if word.starts_with('-') || !word.chars().all(fits) {
                        return Err(refuse(&format!("{word:?} is neither user nor host")));
                    }
                }
                Ok(Self::Wicket { user: user.map(str::to_owned), host, port: url.port() })
            }
            "http" | "https" => {
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(refuse("credentials do not belong into an address; give a token"));
                }
                if url.host().is_none() || !plain {
                    return Err(refuse("http://HOST[:PORT] was expected"));
                }
                let path = url.path().trim_end_matches('/');
                let by_path = [(Api::Nexus, NEXUS), (Api::Wicketd, WICKETD)]
                    .into_iter()
                    .find_map(|(api, end)| Some((api, path.strip_suffix(end)?)));
                let by_token = if token { Api::Nexus } else { Api::Wicketd };
                let (api, before) = match (api, by_path) {
                    (Some(api), Some((other, _))) if api != other => {
                        return Err(refuse("its path is that of the other service"));
                    }
                    (_, Some((api, before))) => (api, before),
                    (api, None) => (api.unwrap_or(by_token), path),
                };
                let mut base = url.clone();
                base.set_path(before);
                Ok(Self::Http { api, base })
            }
            _ => Err(refuse("ssh://, http:// or https:// was expected")),
        }
    }

    /// Whether what is sent there can be read on the way.
    pub(crate) fn is_open_to_all(&self) -> bool {
        match self {
            Self::Http { base, .. } if base.scheme() == "http" => match base.host() {
                Some(Host::Ipv4(address)) => !address.is_loopback(),
                Some(Host::Ipv6(address)) => !address.is_loopback(),
                Some(Host::Domain(name)) => name != "localhost",
                None => true,
            },
            _ => false,
        }
    }
}

/// The address of an interface below a base.
pub(crate) fn endpoint(api: Api, base: &Url) -> Url {
    let mut url = base.clone();
    let path = match api {
        Api::Wicketd => WICKETD,
        Api::Nexus => NEXUS,
    };
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wicket { user, host, port } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                match host.contains(':') {
                    true => write!(f, "[{host}]")?,
                    false => f.write_str(host)?,
                }
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Self::Http { api, base } => f.write_str(endpoint(*api, base).as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        let destination = Destination::parse(text, None, false).map_err(|error| error.to_string());
        destination.map(|destination| destination.to_string())
    }

    #[test]
    fn addresses() {
        for (text, wanted) in [
            ("ssh://wicket@fd00::1", None),
            ("ssh://wicket@[fd00::1]:2222", Some("ssh://wicket@[fd00::1]:2222")),
            ("ssh://wicket@switch", Some("ssh://wicket@switch")),
            ("ssh://switch/", Some("ssh://switch")),
            ("http://127.0.0.1:12234", Some("http://127.0.0.1:12234/repository")),
            ("http://127.0.0.1:12234/repository/", Some("http://127.0.0.1:12234/repository")),
            (
                "https://rack.example/v1/system/update/repositories",
                Some("https://rack.example/v1/system/update/repositories"),
            ),
            ("https://proxy/rack1/repository", Some("https://proxy/rack1/repository")),
            ("ssh://a@b/upload", None),
            ("ssh://a:secret@b", None),
            ("ssh://-oProxyCommand=x@b", None),
            ("ssh://a@-oProxyCommand=x", None),
            ("ssh://", None),
            ("https://user:secret@b", None),
            ("http://b/?x=1", None),
            ("ftp://b", None),
            ("b", None),
            ("", None),
        ] {
            assert_eq!(parse(text).ok().as_deref(), wanted, "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn services_are_told_apart() {
        let api = |text, api, token| match Destination::parse(text, api, token) {
            Ok(Destination::Http { api, .. }) => Some(api),
            _ => None,
        };
        assert_eq!(api("https://rack", None, true), Some(Api::Nexus));
        assert_eq!(api("https://rack", None, false), Some(Api::Wicketd));
        assert_eq!(api("https://rack", Some(Api::Nexus), false), Some(Api::Nexus));
        assert_eq!(api("https://rack/repository", None, true), Some(Api::Wicketd));
        assert_eq!(api("https://rack/repository", Some(Api::Nexus), false), None);
        assert_eq!(api("ssh://rack", Some(Api::Nexus), false), None);
    }
}
