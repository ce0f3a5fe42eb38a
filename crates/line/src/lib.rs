//! doorward line.
