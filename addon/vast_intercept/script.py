"""The addon as mitmproxy loads it with `-s`."""

from vast_intercept.intercept.addon import VastIntercept

addons = [VastIntercept()]
