//! doorward proxy.
