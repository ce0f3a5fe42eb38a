//! doorward gateway.
