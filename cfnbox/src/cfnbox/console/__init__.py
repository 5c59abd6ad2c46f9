"""The console: a page in the browser that shows what a running cloud holds and does."""
