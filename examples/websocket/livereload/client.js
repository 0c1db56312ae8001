// Reloads the page when the server says so, and when it is back after a restart.
"use strict";
(() => {
	const url = new URL("/.livereload", location.href);
	url.protocol = url.protocol.replace("http", "ws");
	const connect = restarted => {
		const socket = new WebSocket(url);
		let open = false;
		socket.onopen = () => {
			open = true;
			if (restarted) {
				location.reload();
			}
			document.documentElement.dataset.livereload = "open";
		};
		socket.onmessage = () => location.reload();
		socket.onclose = () => {
			document.documentElement.dataset.livereload = "closed";
			setTimeout(connect, 1000, restarted || open);
		};
	};
	connect(false);
})();
