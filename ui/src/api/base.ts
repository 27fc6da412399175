/** The address that the pages are under, with whatever prefix: the server writes it into `<base href>`. */
export function baseUrl(): URL {
  return new URL('.', document.baseURI);
}
