//! IPS packages: FMRIs, actions, manifests, repositories, archives, images.
