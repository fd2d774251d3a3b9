//! The `pkg_*` steps over the packages of this workspace's own installer.

use ips::{InstallOptions, Origin, Publisher, Timestamp, Variants};
use proto::Proto;

use crate::{Optional, Outcome, Packages};

/// A package system over opened origins.
///
/// Installation takes packages from all the origins it was given, in their order. Publishers and
/// their URIs are written into the image as the template says, and nothing is read from them.
pub struct ImagePackages<'a> {
    origins: &'a [&'a dyn Origin],
    options: InstallOptions,
    foresees: bool,
    /// One line for every change, for the log.
    pub notes: Vec<String>,
}

impl<'a> ImagePackages<'a> {
    /// Installs from `origins`; `date` is the moment of installation.
    pub fn new(origins: &'a [&'a dyn Origin], date: Timestamp) -> Self {
        Self { origins, options: InstallOptions { date }, foresees: false, notes: Vec::new() }
    }

    /// Finds out what would be installed from `origins`, without payloads: for
    /// [`rehearse`](crate::rehearse()).
    pub fn foreseeing(origins: &'a [&'a dyn Origin], date: Timestamp) -> Self {
        Self { foresees: true, ..Self::new(origins, date) }
    }

    fn add(&self, proto: &mut Proto, packages: &[String]) -> Result<ips::Report, ips::Error> {
        if self.foresees {
            ips::foresee(proto, packages, self.origins, &self.options)
        } else {
            ips::install(proto, packages, self.origins, &self.options)
        }
    }

    fn note(&mut self, report: &ips::Report) {
        for fmri in &report.installed {
            self.notes.push(format!("installed {}", fmri.short()));
        }
        for (before, after) in &report.updated {
            self.notes.push(format!("updated {} to {}", before.short(), after.short()));
        }
        for fmri in &report.removed {
            self.notes.push(format!("removed {}", fmri.short()));
        }
    }
}

impl Packages for ImagePackages<'_> {
    fn image_create(&mut self, proto: &mut Proto, publisher: Option<(&str, &str)>) -> Outcome {
        ips::create_image(proto, Variants::for_zone("global"), self.options.date)?;
        match publisher {
            Some((name, uri)) => self.set_publisher(proto, name, &[uri.to_owned()], None),
            None => Ok(()),
        }
    }

    fn set_publisher(
        &mut self,
        proto: &mut Proto,
        publisher: &str,
        origins: &[String],
        mirror: Option<&str>,
    ) -> Outcome {
        let publisher = Publisher {
            name: publisher.to_owned(),
            origins: origins.to_vec(),
            mirrors: mirror.map(str::to_owned).into_iter().collect(),
            ..Publisher::default()
        };
        Ok(ips::set_publisher(proto, publisher, self.options.date)?)
    }

    fn approve_ca_cert(
        &mut self,
        proto: &mut Proto,
        publisher: &str,
        certificate: &str,
    ) -> Outcome {
        let bytes = std::fs::read(certificate)
            .map_err(|error| format!("cannot read the certificate {certificate}: {error}"))?;
        let date = self.options.date;
        Ok(ips::approve_ca_certificate(proto, publisher, &bytes, date)?)
    }

    fn set_property(&mut self, proto: &mut Proto, name: &str, value: &str) -> Outcome {
        let property = [(name.to_owned(), value.to_owned())];
        Ok(ips::set_properties(proto, &property, self.options.date)?)
    }

    fn install(&mut self, proto: &mut Proto, packages: &[String], options: Optional) -> Outcome {
        let report = self.add(proto, packages)?;
        self.note(&report);
        if options.include {
            let mut more = ips::optional_dependencies(proto, packages)?;
            if options.any_publisher {
                for name in &mut more {
                    *name = name
                        .strip_prefix("pkg://")
                        .and_then(|rest| rest.split_once('/'))
                        .map_or_else(|| name.clone(), |(_, stem)| format!("/{stem}"));
                }
            }
            if !more.is_empty() {
                let report = self.add(proto, &more)?;
                self.note(&report);
            }
        }
        Ok(())
    }

    fn uninstall(&mut self, proto: &mut Proto, packages: &[String]) -> Outcome {
        let report = ips::uninstall(proto, packages, &self.options)?;
        self.note(&report);
        Ok(())
    }

    fn change_variant(&mut self, proto: &mut Proto, variant: &str, value: &str) -> Outcome {
        let variants = [(variant.to_owned(), value.to_owned())];
        let change = if self.foresees { ips::foresee_variants } else { ips::change_variants };
        let report = change(proto, &variants, self.origins, &self.options)?;
        self.note(&report);
        Ok(())
    }

    fn change_facet(&mut self, proto: &mut Proto, facet: &str, value: &str) -> Outcome {
        let value = match value.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            "none" => None,
            _ => return Err(format!("facet value `{value}`: expected true, false or none").into()),
        };
        let facets = [(facet.to_owned(), value)];
        let change = if self.foresees { ips::foresee_facets } else { ips::change_facets };
        let report = change(proto, &facets, self.origins, &self.options)?;
        self.note(&report);
        Ok(())
    }

    fn purge_history(&mut self, proto: &mut Proto) -> Outcome {
        Ok(ips::purge_history(proto)?)
    }
}
