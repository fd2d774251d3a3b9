//! Which packages the steps of a plan choose, found out without installing them.

use std::collections::BTreeSet;

use ips::{Chosen, Fmri, Image, ImageConfig, Publisher, Solution, SolveOptions, Variants};

use crate::step::PackageStep;
use crate::{Error, Plan, PlannedStep, Step};

/// The packages of an image that nobody has made yet.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// The image's settings and packages as they are after the last step.
    pub image: Image,
    /// Packages that led to others and are not installed: they were renamed.
    pub renamed: Vec<Chosen>,
    /// Packages that steps name and that are obsolete, so that nothing is installed for them.
    pub obsolete: BTreeSet<Fmri>,
}

/// Carries out the `pkg_*` steps of a plan as far as the choice of packages goes; the other steps
/// play no part. Where they fit, the versions of `preferred` are taken.
///
/// What fails is an [`Error::Step`] whose source is an [`ips::Error`]. A plan that makes no image
/// is [`Error::Begin`].
pub fn resolve(
    plan: &Plan,
    origins: &[&dyn ips::Origin],
    preferred: Option<&BTreeSet<Fmri>>,
) -> Result<Resolution, Error> {
    let mut run =
        Run { origins, preferred, image: None, renamed: Vec::new(), obsolete: BTreeSet::new() };
    for (number, planned) in (1..).zip(&plan.steps) {
        if let PlannedStep { step: Step::Packages(step), origin } = planned {
            run.step(step).map_err(|source| Error::Step {
                origin: origin.clone(),
                number,
                step: planned.step.word(),
                reason: "packages cannot be chosen".to_owned(),
                source: Some(source),
            })?;
        }
    }
    let image = run.image.ok_or_else(|| Error::Begin {
        template: plan.template.to_path_buf(),
        reason: "no step makes a package image, so that there are no packages to choose".to_owned(),
    })?;
    Ok(Resolution { image, renamed: run.renamed, obsolete: run.obsolete })
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

struct Run<'a> {
    origins: &'a [&'a dyn ips::Origin],
    preferred: Option<&'a BTreeSet<Fmri>>,
    image: Option<Image>,
    renamed: Vec<Chosen>,
    obsolete: BTreeSet<Fmri>,
}

impl Run<'_> {
    fn step(&mut self, step: &PackageStep) -> Result<(), Problem> {
        if let PackageStep::ImageCreate { publisher } = step {
            if self.image.is_some() {
                return Err("this is an image already".into());
            }
            let mut config = ImageConfig::new(Variants::for_zone("global"));
            if let Some((name, uri)) = publisher {
                config.set_publisher(Publisher::new(name, uri));
            }
            self.image = Some(Image::new(config));
            return Ok(());
        }
        let image = self.image.as_mut().ok_or("no image was made before this step")?;
        match step {
            PackageStep::SetPublisher { publisher, uris, .. } => {
                let publisher = Publisher {
                    name: publisher.clone(),
                    origins: uris.clone(),
                    ..Publisher::default()
                };
                image.config.set_publisher(publisher);
            }
            PackageStep::SetProperty { name, value } => image.config.set_property(name, value),
            PackageStep::Install { pkgs, include_optional, .. } if !pkgs.is_empty() => {
                self.choose(pkgs)?;
                if *include_optional && let Some(image) = &self.image {
                    let more = image.optional_dependencies(pkgs)?;
                    if !more.is_empty() {
                        self.choose(&more)?;
                    }
                }
            }
            PackageStep::Uninstall { pkgs } if !pkgs.is_empty() => {
                *image = image.holding(ips::solve_removal(image, pkgs)?);
            }
            PackageStep::ChangeVariant { variant, value } => {
                let before = image.config.clone();
                image.config.set_variant(variant, value);
                if image.config != before {
                    self.choose(&[])?;
                }
            }
            PackageStep::ChangeFacet { facet, value } => {
                let before = image.config.clone();
                let value = match value.to_ascii_lowercase().as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    "none" => None,
                    _ => {
                        let problem = format!("facet value `{value}`: true, false or none");
                        return Err(problem.into());
                    }
                };
                image.config.set_facet(facet, value);
                if image.config != before {
                    self.choose(&[])?;
                }
            }
            PackageStep::Install { .. }
            | PackageStep::Uninstall { .. }
            | PackageStep::ImageCreate { .. }
            | PackageStep::ApproveCaCert { .. }
            | PackageStep::PurgeHistory => {}
        }
        Ok(())
    }

    fn choose(&mut self, patterns: &[String]) -> Result<(), Problem> {
        let Some(image) = &mut self.image else { return Ok(()) };
        let options = SolveOptions { preferred: self.preferred, ..SolveOptions::default() };
        let Solution { packages, renamed, obsolete } =
            ips::solve_with(image, self.origins, patterns, options)?;
        self.obsolete.extend(obsolete);
        for package in renamed {
            if !self.renamed.iter().any(|there| there.fmri == package.fmri) {
                self.renamed.push(package);
            }
        }
        *image = image.holding(packages);
        Ok(())
    }
}
