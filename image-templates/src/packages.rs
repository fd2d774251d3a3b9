//! What the `pkg_*` steps need from a package system.

use proto::Proto;

/// The package system of an image. Each method is the pkg(1) command of the same name, carried
/// out on a proto; an error leaves the template's proto as it was before the first step.
pub trait Packages {
    /// Makes an empty image in the proto, with a first publisher and its origin if given.
    fn image_create(&mut self, proto: &mut Proto, publisher: Option<(&str, &str)>) -> Outcome;

    /// Adds a publisher, or gives it other origins and another mirror.
    fn set_publisher(
        &mut self,
        proto: &mut Proto,
        publisher: &str,
        origins: &[String],
        mirror: Option<&str>,
    ) -> Outcome;

    /// Trusts a certificate for a publisher.
    fn approve_ca_cert(&mut self, proto: &mut Proto, publisher: &str, certificate: &str)
    -> Outcome;

    /// Sets a property of the image.
    fn set_property(&mut self, proto: &mut Proto, name: &str, value: &str) -> Outcome;

    /// Installs packages with what they require; never called without any.
    fn install(&mut self, proto: &mut Proto, packages: &[String], options: Optional) -> Outcome;

    /// Removes packages.
    fn uninstall(&mut self, proto: &mut Proto, packages: &[String]) -> Outcome;

    /// Sets a variant; the name is without `variant.`.
    fn change_variant(&mut self, proto: &mut Proto, variant: &str, value: &str) -> Outcome;

    /// Sets a facet to `true`, `false` or `none` (not set); the name is without `facet.`.
    fn change_facet(&mut self, proto: &mut Proto, facet: &str, value: &str) -> Outcome;

    /// Forgets what was done to the image before.
    fn purge_history(&mut self, proto: &mut Proto) -> Outcome;
}

/// Whether a package operation worked.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// What `pkg_install` does about optional dependencies of the listed packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Optional {
    /// Install them too, afterwards and all at once.
    pub include: bool,
    /// Look for them at any publisher, not only at the one the dependency names.
    pub any_publisher: bool,
}
