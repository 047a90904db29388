"""Language models behind OpenAI's chat interface: prompts, requests, and what answers mean."""
