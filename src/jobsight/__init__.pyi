from jobsight.client import Client as Client
from jobsight.client import monitor as monitor

__version__: str
