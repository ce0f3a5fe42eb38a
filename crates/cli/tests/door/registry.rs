//! A registry of images on a loopback port, with one image in it.

use crate::host::{make_image, root, wait_until};
use crate::house::free_port;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running registry; dropping it ends it.
pub(crate) struct Registry {
    server: Child,
    /// The image's name, as a worker says it.
    pub(crate) image: String,
}

impl Registry {
    /// Starts one that keeps its files in `folder`, and pushes an image to it that is then nowhere else.
    pub(crate) fn with_image(folder: &Path, port: u16) -> Registry {
        std::fs::create_dir_all(folder).unwrap();
        let config = folder.join("config.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n",
            folder.join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let server =
            command.spawn().unwrap_or_else(|error| panic!("docker-registry: {error}; ./test installs it"));
        let registry = Registry { server, image: name(port) };
        wait_until("the registry listens", Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
        });
        make_image(&registry.image);
        root("docker", &["push", &registry.image]).worked();
        registry.forget();
        registry
    }

    /// Takes the image from the engine, so that it has to be pulled.
    fn forget(&self) {
        root("docker", &["image", "rm", &self.image]);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.forget();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Name of the image in a registry on this port.
fn name(port: u16) -> String {
    format!("127.0.0.1:{port}/bench/model:1")
}

/// A port for a registry, and what a policy says of its image.
pub(crate) fn planned() -> (u16, String) {
    let port = free_port();
    (port, format!("127.0.0.1:{port}/bench/model:*"))
}
