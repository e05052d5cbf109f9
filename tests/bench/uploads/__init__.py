"""The figures of uploads: keys and recorded shapes, the content gate's CPU, gone connections, and how long a browser waits."""
