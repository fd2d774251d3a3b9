//! Image templates and the engine that applies them to a proto.
