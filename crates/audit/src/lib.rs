//! doorward audit.
