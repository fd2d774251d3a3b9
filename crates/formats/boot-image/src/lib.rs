//! Oxide boot images: phase-2 header, boot archive, os.tar.gz.
