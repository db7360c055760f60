# docker buildx bake -f packaging/docker-bake.hcl: the image for both kinds of machine, with its bill of materials.
variable "TAG" { default = "linkdown:latest" }
variable "REVISION" { default = "" }
variable "VERSION" { default = "" }
variable "SOURCE" { default = "https://linkdown.example" }

group "default" { targets = ["linkdown"] }

target "linkdown" {
  context    = "."
  dockerfile = "Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = [TAG]
  args       = { REVISION = REVISION, VERSION = VERSION, SOURCE = SOURCE }
  # Read by scanners; who built it, and from what.
  attest     = ["type=sbom", "type=provenance,mode=max"]
}
