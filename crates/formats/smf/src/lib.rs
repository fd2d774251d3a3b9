//! SMF service bundles: manifests and profiles.
//!
//! A *service bundle* is an XML document after `service_bundle.dtd.1`. A *manifest* defines
//! services and their instances; a *profile* enables, disables and configures instances that some
//! manifest defines. [`Bundle::parse`] reads either. XML that is not well-formed is an [`Error`];
//! everything else that is wrong is a [`Finding`] with its line: elements, attributes and values
//! the document type does not allow, wrong order, names used twice, FMRIs and methods that cannot
//! work. [`check_profile`] tells which of a profile's lines name nothing.
//!
//! Nothing here imports services or writes a repository: only svccfg(8) on illumos does.
//!
//! ```
//! use smf::{Bundle, check_profile};
//!
//! let manifest = Bundle::parse(br#"
//! <service_bundle type="manifest" name="example">
//!   <service name="site/example" type="service" version="1">
//!     <create_default_instance enabled="false"/>
//!     <exec_method type="method" name="start" exec="/opt/example/run" timeout_seconds="60"/>
//!   </service>
//! </service_bundle>"#, "example.xml")?;
//! assert_eq!(manifest.services[0].fmri().to_string(), "svc:/site/example");
//! assert!(manifest.findings.is_empty());
//!
//! let profile = Bundle::parse(br#"
//! <service_bundle type="profile" name="site">
//!   <service name="site/exmaple" type="service" version="1">
//!     <instance name="default" enabled="true"/>
//!   </service>
//! </service_bundle>"#, "site.xml")?;
//! let findings = check_profile(&profile, [&manifest]);
//! assert_eq!(findings[0].to_string(),
//!     "site.xml:3: the profile names svc:/site/exmaple, which no manifest defines");
//! # Ok::<(), smf::Error>(())
//! ```
//!
//! Source of the format: illumos-gate, `cmd/svc/dtd/service_bundle.dtd.1` and the behaviour of
//! `cmd/svc/svccfg`; service_bundle(5), smf(7), smf_method(7).

mod bundle;
mod check;
mod command;
mod document;
mod error;
mod finding;
mod fmri;
mod profile;
mod read;
mod schema;
mod validate;

pub use bundle::{
    Bundle, BundleKind, Common, Dependency, Dependent, Include, Instance, Method, MethodContext,
    Property, PropertyGroup, Service,
};
pub use command::Command;
pub use error::Error;
pub use finding::{Finding, Problem};
pub use fmri::{FmriError, ServiceFmri};
pub use profile::check_profile;
